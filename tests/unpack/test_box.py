# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealed children as the worker sees them: whatever one does, it is a report, and the next one works."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from milterguard.unpack import nursery, seal
from milterguard.unpack.box import Box, BoxError, Report
from milterguard.unpack.member import Member, Request

EXAMINER = "tests.unpack.examiners:examine"
PATIENCE = 30.0
"""Seconds that nothing takes on any machine."""


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A box that all tests of this module use one after the other: none may spoil it for the next."""
    made = new_box()
    yield made
    made.close()


def new_box(*, processes: int = 4, examiner: str = EXAMINER, cpu_seconds: int = 20) -> Box:
    return Box(processes=processes, memory_bytes=128 << 20, cpu_seconds=cpu_seconds, examiner=examiner)


@pytest.fixture
def content(tmp_path: Path) -> Iterator[int]:
    """The descriptor of a leaf."""
    path = tmp_path / "leaf"
    path.write_bytes(b"octets")
    descriptor = os.open(path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


class Heard:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self.octets: dict[tuple[int, ...], bytes] = {}
        self._last: tuple[int, ...] = ()

    def tell(self, member: Member) -> None:
        self._last = member.path
        self.octets[member.path] = b""

    def give(self, block: bytes) -> None:
        self.octets[self._last] += block


class AtWork(Heard):
    """A sink that lets one wait for the first member."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()

    def tell(self, member: Member) -> None:
        self.began.set()


def ask(box: Box, content: int, deed: str, *, seconds: float = PATIENCE, sink: Heard | None = None) -> Report:
    request = Request(names=(deed,), max_bytes=1 << 20, max_members=200)
    return box.open(content, request, deadline=time.monotonic() + seconds, sink=sink)


def ids(box: Box, content: int) -> tuple[int, int]:
    """Return the process ids of a child and of its nursery."""
    child, parent = ask(box, content, "tell_ids").members[0].names[:2]
    return int(child), int(parent)


def await_end(pidfd: int) -> None:
    assert select.select([pidfd], [], [], PATIENCE)[0]
    os.close(pidfd)


def test_a_leaf_is_looked_into(box: Box, content: int) -> None:
    """What the examiner tells and gives arrives, the octets with their member."""
    heard = Heard()
    report = ask(box, content, "look", sink=heard)
    assert report == Report((Member((1,), names=("look",), size=6, has_octets=True),))
    assert heard.octets == {(1,): b"octets"}


@pytest.mark.parametrize(
    ("deed", "trouble"),
    [
        ("abort", "crashed"),
        ("segfault", f"crashed (signal {signal.SIGSEGV:d})"),
        ("leave", "exited (status 7)"),
        ("raise_error", "failed (LookupError)"),
        ("recurse", "failed (RecursionError)"),
        ("hoard", "out of memory"),
        ("flood", "limit"),
        ("overflow", "garbled"),
        ("babble", "garbled"),
        ("grow_file", "failed (OSError)"),
        ("write_content", "failed (OSError)"),
    ],
)
def test_whatever_a_child_does_is_a_report(box: Box, content: int, deed: str, trouble: str) -> None:
    """In our words; the next leaf is looked into as if nothing had been, and the content is untouched."""
    assert ask(box, content, deed).trouble.startswith(trouble)
    assert ask(box, content, "look").trouble == ""
    assert os.pread(content, 100, 0) == b"octets"


@pytest.mark.parametrize("deed", ["wait", "compute", "compute_after_member"])
def test_a_child_that_hangs_is_killed_at_the_deadline(box: Box, content: int, deed: str) -> None:
    """What it told before stands."""
    began = time.monotonic()
    report = ask(box, content, deed, seconds=1.0)
    assert report.trouble == "out of time"
    assert len(report.members) == (deed == "compute_after_member")
    assert time.monotonic() - began < PATIENCE / 2
    assert ask(box, content, "look").trouble == ""


def test_processor_time_is_limited(content: int) -> None:
    """However much wall-clock time there is."""
    box = new_box(cpu_seconds=1)
    try:
        assert ask(box, content, "compute", seconds=100).trouble == "out of time"
    finally:
        box.close()


def test_files_in_memory_are_few(box: Box, content: int) -> None:
    """As many as archives in archives take."""
    (member,) = ask(box, content, "hold_files").members
    assert member.size is not None
    assert 2 * Request().max_depth <= member.size < 40


def test_a_child_has_no_environment_and_no_kin(box: Box, content: int) -> None:
    """Nothing of the worker's environment is in it, and each leaf has a process of its own."""
    first, second = ids(box, content), ids(box, content)
    assert first[0] != second[0]
    assert first[1] == second[1] != os.getpid()
    assert ask(box, content, "tell_ids").members[0].names[2] == ""


def test_a_nursery_that_died_is_started_anew(content: int) -> None:
    """The leaf that it happened to is not lost, but it does not go on for ever."""
    box = new_box()
    try:
        first, second = kill_nursery(box, content), kill_nursery(box, content)
        assert first != second
        with pytest.raises(BoxError, match="again and again"):
            [kill_nursery(box, content) for _ in range(20)]
    finally:
        box.close()


def kill_nursery(box: Box, content: int) -> int:
    """Have a leaf looked into, then kill the nursery; return what its process id was."""
    _, pid = ids(box, content)
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    await_end(pidfd)
    return pid


@pytest.mark.parametrize("examiner", ["tests.unpack.nothing:examine", "tests.unpack.examiners:nothing"])
def test_an_examiner_that_is_not_there_is_our_failure(
    content: int, examiner: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is said of the leaf."""
    box = new_box(examiner=examiner)
    with pytest.raises(BoxError):
        ask(box, content, "look")
    box.close()
    assert "Error" in capfd.readouterr().err


def test_no_slot_in_time_is_our_failure(content: int) -> None:
    """A leaf that waits for others longer than it may is not reported on."""
    box = new_box(processes=1)
    try:
        box.seals(deadline=time.monotonic() + PATIENCE)
        with ThreadPoolExecutor() as pool:
            at_work = AtWork()
            first = pool.submit(ask, box, content, "compute_after_member", seconds=2.0, sink=at_work)
            assert at_work.began.wait(PATIENCE)
            with pytest.raises(BoxError, match="in time"):
                ask(box, content, "look", seconds=0.01)
            assert first.result().trouble == "out of time"
    finally:
        box.close()


def test_many_threads_ask_at_once(box: Box, content: int) -> None:
    """More of them than processes; each hears of its own leaf."""
    deeds = ["look", "abort", "flood", "look", "overflow", "look"] * 8
    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(lambda deed: ask(box, content, deed), deeds))
    assert {
        deed: {report.trouble.partition(" ")[0] for name, report in zip(deeds, reports, strict=True) if name == deed}
        for deed in deeds
    } == {"look": {""}, "abort": {"crashed"}, "flood": {"limit"}, "overflow": {"garbled"}}


def test_no_descriptor_leaks(box: Box, content: int) -> None:
    """Whether a leaf went well or not, in the worker and in the nursery."""
    _, pid = ids(box, content)
    processes = [Path("/proc/self/fd"), Path(f"/proc/{pid}/fd")]
    before = [len(list(each.iterdir())) for each in processes]
    for deed in ["look", "overflow"] * 100 + ["look"]:
        ask(box, content, deed)
    box.seals(deadline=time.monotonic() + PATIENCE)
    ids(box, content)
    after = [len(list(each.iterdir())) for each in processes]
    assert after[0] == before[0]
    # The child of the last leaf may not be reaped yet.
    assert after[1] <= before[1] + 4


def test_a_sink_that_fails_fails_its_caller(box: Box, content: int) -> None:
    """The child is not waited for."""

    class Full(Heard):
        def give(self, block: bytes) -> None:
            raise OSError(28, "disk full")

    with pytest.raises(OSError, match="disk full"):
        ask(box, content, "look", sink=Full())
    assert ask(box, content, "look").trouble == ""


def test_nothing_is_left_when_a_box_is_closed(content: int) -> None:
    """Neither the nursery nor a child that hangs; and nothing is opened any more."""
    box = new_box()
    _, pid = ids(box, content)
    nursery_ = os.pidfd_open(pid)
    box.close()
    box.close()
    await_end(nursery_)
    with pytest.raises(BoxError):
        ask(box, content, "look")


def test_nothing_is_left_when_a_worker_is_killed(tmp_path: Path) -> None:
    """The nursery sees its socket closed, and no child outlives the nursery."""
    script = f"""
import os, time, threading
from milterguard.unpack.box import Box
from milterguard.unpack.member import Request
box = Box(processes=2, memory_bytes=128 << 20, cpu_seconds=60, examiner={EXAMINER!r})
class Sink:
    def tell(self, member):
        print(*member.names[:2], flush=True)
leaf = os.memfd_create("leaf")
box.open(leaf, Request(names=("tell_ids_and_compute",)), deadline=time.monotonic() + 600, sink=Sink())
"""
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        pidfds = [os.pidfd_open(int(pid)) for pid in worker.stdout.readline().split()]
        worker.kill()
    assert len(pidfds) == 2
    for each in pidfds:
        await_end(each)


def test_the_seals_are_told(box: Box) -> None:
    """Those that hold here: limits and another user do on every Linux."""
    seals = box.seals(deadline=time.monotonic() + PATIENCE)
    assert set(seals) <= set(seal.ALL)
    assert {seal.LIMITS, seal.USER} <= set(seals)


def test_the_nursery_has_nothing_of_the_worker(box: Box, content: int) -> None:
    """Its environment and its descriptors are its own, but for the socket and where it complains."""
    os.set_inheritable(content, True)
    fresh = new_box()
    try:
        _, pid = ids(fresh, content)
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        names = []
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it is making the next child
                names.append(each.readlink().name)
    finally:
        fresh.close()
    assert b"PATH=" not in environment.replace(b"LD_LIBRARY_PATH=", b"")
    assert "leaf" not in names
    assert nursery.START.startswith("import json")
