# SPDX-License-Identifier: GPL-3.0-or-later
"""The key process: it signs what it is asked to, and whatever it is asked it stays."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from milterguard.config.signing import DkimKey
from milterguard.dkim.compose import SigningKey
from milterguard.errors import ConfigError, SignError
from milterguard.keys.client import SocketKeys, is_there
from milterguard.keys.private import generated
from milterguard.keys.process import KeyServer, answered
from milterguard.keys.ring import FileKeys
from tests.daemons.folder import private_folder

KEY = generated("ed25519")
PUBLIC = SigningKey("example.com", "s", "ed25519-sha256")


@pytest.fixture
def folder() -> Iterator[Path]:
    with private_folder() as folder:
        yield folder


def ring(folder: Path) -> FileKeys:
    file = folder / "key.pem"
    file.touch(mode=0o600)
    file.write_bytes(KEY.pem())
    return FileKeys([DkimKey("example.com", "s", str(file))])


@contextmanager
def serving(folder: Path) -> Iterator[Path]:
    server = KeyServer(folder / "sock", ring(folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield folder / "sock"
    finally:
        server.shutdown()
        thread.join()
        server.close()


def test_it_names_keys_and_signs(folder: Path) -> None:
    """Over its socket, which only owner and group may use, and which is gone afterwards."""
    with serving(folder) as path:
        assert path.stat().st_mode & 0o777 == 0o660
        asked = SocketKeys(str(path), seconds=5)
        assert asked.keys("example.com") == (PUBLIC,)
        assert asked.keys("other.example") == ()
        assert asked.sign(PUBLIC, bytes(32)) == KEY.sign(bytes(32))
        with pytest.raises(SignError, match=r"no key x of example\.com"):
            asked.sign(SigningKey("example.com", "x", "rsa-sha256"), bytes(32))
        with pytest.raises(SignError, match="not a SHA-256 digest"):
            asked.sign(PUBLIC, b"any text that somebody wants to have signed")
    assert not path.exists()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x\n",
        b"[]\n",
        b"{}\n",
        b'{"sign": 7}\n',
        b'{"sign": ["a"], "digest": "AAAA"}\n',
        b"[" * 10000 + b"\n",
        b"\xff\n",
    ],
)
def test_nonsense_is_answered_with_an_error(line: bytes, folder: Path) -> None:
    """And with nothing else."""
    assert answered(line, ring(folder)).startswith(b'{"error":')


def test_many_clients_and_rude_ones(folder: Path) -> None:
    """Who hangs up, says nothing or too much holds up nobody."""
    with serving(folder) as path:
        silent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        silent.connect(str(path))
        for octets in (b"", b"x" * 100_000, b'{"keys": "example.com"}'):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as rude:
                rude.connect(str(path))
                try:
                    rude.sendall(octets)
                except OSError:
                    continue
        asked = SocketKeys(str(path), seconds=5)
        found: list[bytes] = []
        threads = [threading.Thread(target=lambda: found.append(asked.sign(PUBLIC, bytes(32)))) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        silent.close()
    assert found == [KEY.sign(bytes(32))] * 20


def test_nobody_there(folder: Path) -> None:
    """Is a failure that names the socket."""
    with pytest.raises(SignError, match=r"the key process at .*: No such file"):
        SocketKeys(str(folder / "sock"), seconds=1).keys("example.com")
    assert not is_there(str(folder / "sock"))


def test_somebody_who_does_not_answer(folder: Path) -> None:
    """Is waited for so long."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.bind(str(folder / "sock"))
        deaf.listen()
        with pytest.raises(SignError, match="no answer in time"):
            SocketKeys(str(folder / "sock"), seconds=0.2).keys("example.com")


@pytest.mark.parametrize(
    "answer", [b"nonsense\n", b"[]\n", b'{"keys": 1}\n', b'{"keys": [1]}\n', b'{"keys"', b"x" * 50_000]
)
def test_what_it_says_is_not_trusted(answer: bytes, folder: Path) -> None:
    """Whatever it is, it is a failure and not an exception of another kind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as fake:
        fake.bind(str(folder / "sock"))
        fake.listen()

        def reply() -> None:
            connection, _ = fake.accept()
            with connection, suppress(OSError):  # who has read enough goes
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        with pytest.raises(SignError):
            SocketKeys(str(folder / "sock"), seconds=2).keys("example.com")
        thread.join()


def test_a_socket_that_is_left_over_is_replaced(folder: Path) -> None:
    """One that somebody listens at is not; nor is a file that is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
        old.bind(str(folder / "sock"))
    with serving(folder), pytest.raises(ConfigError, match="Address already in use"):
        KeyServer(folder / "sock", ring(folder))
    with pytest.raises(ConfigError, match="a group of this machine"):
        KeyServer(folder / "other", ring(folder), group="nobody-has-this-group")
