# SPDX-License-Identifier: GPL-3.0-or-later
"""The process tree lives through reloads, deaths and its end without losing a message."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.mta import Address, Mail, Mta
from tests.server.tree import REPOSITORY, Tree, free_port, running


def says(say: str) -> Mail:
    return Mail(fields=(("From", "a@b.example"), ("X-Say", say)))


def await_true(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Load:
    """Clients that send message after message until told to stop."""

    def __init__(self, address: Address, clients: int = 6) -> None:
        self.address = address
        self.accepted = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._talk) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _talk(self) -> None:
        while not self._stop.is_set():
            try:
                with Mta(self.address) as mta:
                    mta.greet()
                    for _ in range(3):
                        ending = mta.message(says("read wait:0.03"))
                        if ending.is_accepted:
                            self.accepted += 1
                        else:
                            self.failures.append(ending.line)
                    mta.quit()
            except (OSError, EOFError) as error:
                self.failures.append(repr(error))


@pytest.mark.parametrize("kind", ["unix", "inet"])
def test_a_reload_under_load_refuses_and_fails_nothing(tmp_path: Path, kind: str) -> None:
    """Two reloads while six clients send: all messages accepted, all workers replaced."""
    port = free_port()
    listen = [f"inet:{port}@127.0.0.1"] if kind == "inet" else [f"unix:{tmp_path}/milter.sock"]
    address: Address = ("127.0.0.1", port) if kind == "inet" else str(tmp_path / "milter.sock")
    with running(tmp_path, listen=listen) as tree, Load(address) as load:
        former = tree.workers()
        for _ in range(2):
            seen = load.accepted
            await_true(lambda seen=seen: load.accepted > seen + 20)  # type: ignore[misc]
            tree.reload()
        await_true(lambda: not any(is_alive(pid) for pid in former))
        seen = load.accepted
        await_true(lambda: load.accepted > seen + 20)
    assert not load.failures


def test_an_idle_session_lives_through_a_reload(tmp_path: Path) -> None:
    """Its message is judged by the old worker, which ends afterwards."""
    with running(tmp_path) as tree, tree.call().greet() as mta:
        former = tree.workers()
        mta.mail("<a@b.example>")
        tree.reload()
        mta.rcpt("<user@ours.example>")
        mta.data()
        mta.end_of_header()
        assert mta.end_of_message().is_accepted
        mta.quit()
        # The dead stand among the children until they are waited for.
        await_true(lambda: len(tree.workers()) == 2)
        assert not set(former) & set(tree.workers())


def test_a_connection_that_has_not_spoken_yet_lives_through_a_reload(tmp_path: Path) -> None:
    """Accepted by the old worker, which waits for it although no session has begun."""
    with running(tmp_path, workers=1) as tree, tree.call() as mta:
        (former,) = tree.workers()
        tree.reload()
        with contextlib.suppress(AssertionError):  # it must not end, however long that takes
            await_true(lambda: not is_alive(former), seconds=0.5)
        mta.greet()
        assert mta.message(says("read")).is_accepted


def test_new_settings_hold_after_a_reload(tmp_path: Path) -> None:
    """A smaller body limit, another number of workers, one more socket, and the former one gone."""
    port = free_port()
    with running(tmp_path, workers=2) as tree:
        tree.write_settings(workers=1, max_body_bytes=2000, listen=[f"inet:{port}@127.0.0.1"])
        assert "1 workers" in tree.reload()
        with tree.call(("127.0.0.1", port)).greet() as mta:
            assert mta.message(Mail(body=b"x" * 3000)).line.startswith("552")
        assert not Path(tree.path).exists()
        await_true(lambda: len(tree.workers()) == 1)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"max_messages": None, "nonsense": 1}, "expected settings"),
        ({"listen": ["unix:/nowhere/at/all"]}, "server.listen"),
        ({"state_directory": "no-guard"}, "a new worker could not start"),
    ],
)
def test_bad_settings_change_nothing(tmp_path: Path, wrong: dict[str, object], why: str) -> None:
    """The log says why, the old workers stay and serve."""
    with running(tmp_path) as tree:
        former = tree.workers()
        tree.write_settings(**wrong)
        tree.reload()
        assert why in tree.log.read_text()
        await_true(lambda: tree.workers() == former)
        with tree.call().greet() as mta:
            assert mta.message(says("")).is_accepted


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    """kill -9 of all: the connection they had is gone, the next message is served by new ones."""
    with running(tmp_path) as tree:
        former = tree.workers()
        for pid in former:
            os.kill(pid, signal.SIGKILL)
        await_true(lambda: len(tree.workers()) == 2 and not set(tree.workers()) & set(former))
        with tree.call().greet() as mta:
            assert mta.message(says("")).is_accepted


def test_a_worker_that_dies_in_a_message_leaves_its_place_to_others(tmp_path: Path) -> None:
    """With max_messages_total = 1 the next message would be refused were the dead one still counted."""
    with running(tmp_path, workers=2, max_messages_total=1) as tree:
        with tree.call().greet() as mta, pytest.raises((EOFError, ConnectionError)):
            mta.message(says("wait:0.2 die"))
        await_true(lambda: len(tree.workers()) == 2)
        with tree.call().greet() as mta:
            assert mta.message(says("")).is_accepted


def test_a_stopped_worker_is_killed_and_replaced(tmp_path: Path) -> None:
    """SIGSTOP makes it silent; after Pace.silent there is another one."""
    environment = {"TREE_PACE": '{"alive": 0.1, "silent": 0.6}'}
    with running(tmp_path, environment=environment) as tree:
        former = tree.workers()
        os.kill(former[0], signal.SIGSTOP)
        await_true(lambda: former[0] not in tree.workers() and len(tree.workers()) == 2)
        assert former[1] in tree.workers()


def test_a_worker_is_recycled_after_its_share_of_messages(tmp_path: Path) -> None:
    """The replacement is there first; no message fails meanwhile."""
    with running(tmp_path, workers=1, max_messages_per_worker=5) as tree:
        former = tree.workers()
        with Load(tree.path, clients=2) as load:
            await_true(lambda: not is_alive(former[0]))
        assert load.accepted >= 5
        assert not load.failures


def test_a_running_message_is_answered_before_the_tree_ends(tmp_path: Path) -> None:
    """SIGTERM during a scan: the verdict arrives, no new connection is taken, the path is gone."""
    with running(tmp_path) as tree, tree.call().greet() as mta:
        mta.begin(says("wait:0.7 virus"))
        mta.send("E")
        tree.signal(signal.SIGTERM)
        tree.await_notice("STOPPING=1")
        await_true(lambda: not Path(tree.path).exists())
        answer = mta.receive()
        while answer[0] == "p":
            answer = mta.receive()
        assert answer[1].startswith(b"554")
        mta.quit()
        assert tree.process is not None
        assert tree.process.wait(timeout=5) == 0


def test_idle_sessions_do_not_hold_up_the_end(tmp_path: Path) -> None:
    """A session that stays open is cut at stop_grace_seconds."""
    with running(tmp_path, stop_grace_seconds=0.5) as tree, tree.call().greet():
        started = time.monotonic()
        assert tree.stop() == 0
        assert time.monotonic() - started < 3


def test_workers_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """A message in work is still answered."""
    tree = Tree(tmp_path)
    try:
        tree.start()
        workers = tree.workers()
        with tree.call().greet() as mta:
            mta.begin(says("wait:0.4"))
            mta.send("E")
            tree.signal(signal.SIGKILL)
            assert mta.receive()[0] in "ap"
            mta.quit()
        await_true(lambda: not any(is_alive(pid) for pid in workers))
    finally:
        tree.close()


def test_the_watchdog_is_fed(tmp_path: Path) -> None:
    """WATCHDOG=1 comes without being asked for."""
    with running(tmp_path, environment={"WATCHDOG_USEC": "400000"}) as tree:
        tree.await_notice("WATCHDOG=1")
        tree.await_notice("WATCHDOG=1")


def test_a_tree_whose_workers_cannot_start_ends(tmp_path: Path) -> None:
    """Exit status 70, the traceback in the log, no socket left."""
    tree = Tree(tmp_path, state_directory="no-guard")
    tree.write_settings()
    command = [sys.executable, "-m", "tests.server.tree", str(tree.configuration), ""]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False)
    tree.close()
    assert done.returncode == 70
    assert "no guard can be made" in done.stderr
    assert not Path(tree.path).exists()


def test_two_sockets_have_workers_of_their_own(tmp_path: Path) -> None:
    """One worker each at a unix socket and at TCP; both judge."""
    port = free_port()
    listen = [f"unix:{tmp_path}/milter.sock", f"inet:{port}@127.0.0.1"]
    with running(tmp_path, workers=1, listen=listen) as tree:
        assert len(tree.workers()) == 2
        for address in (str(tmp_path / "milter.sock"), ("127.0.0.1", port)):
            with tree.call(address).greet() as mta:
                assert mta.message(says("virus")).line.startswith("554")


def test_a_port_in_use_is_the_operators_mistake(tmp_path: Path) -> None:
    """ConfigError, before anything was started."""
    from milterguard.config.settings import Server
    from milterguard.errors import ConfigError
    from milterguard.server.listen import open_listener

    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = f"inet:{taken.getsockname()[1]}@127.0.0.1"
        with pytest.raises(ConfigError, match="in use"):
            open_listener(text, Server())
