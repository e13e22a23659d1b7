# SPDX-License-Identifier: GPL-3.0-or-later
"""What we are short of ourselves is not held against a server."""

import errno
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from milterguard.checks.base import Budget, Check, NothingInside
from milterguard.checks.clamd import ClamdCheck
from milterguard.checks.servers import ServerFailure, Servers, Turn
from milterguard.checks.spamd import SpamdCheck
from milterguard.config.settings import Clamd, Spamd
from milterguard.core.finding import Category
from milterguard.errors import CheckUnavailable
from tests.core.build import message
from tests.fakes import clamd, spamd
from tests.fakes.clamd import FakeClamd
from tests.fakes.spamd import FakeSpamd

OVER_TCP = pytest.mark.parametrize("is_unix", [True, False], ids=["unix", "tcp"])
LONG = 600.0


@contextmanager
def without_descriptors() -> Iterator[None]:
    """Let this process open nothing more."""
    former, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (former, most))


def run(check: Check) -> Category:
    (finding,) = check.run(message(), Budget(time.monotonic() + 20), NothingInside())
    return finding.category


def fails_and_is_well_again(check: Check) -> None:
    with without_descriptors(), pytest.raises(CheckUnavailable, match="Too many open files"):
        run(check)
    assert run(check) is Category.CLEAN


@OVER_TCP
def test_clamd_is_asked_again_at_once_after_a_shortage_of_descriptors(tmp_path: Path, is_unix: bool) -> None:
    """The message of that moment failed; the server does not rest."""
    with FakeClamd(clamd.clean, path=tmp_path / "ctl" if is_unix else None) as server:
        fails_and_is_well_again(ClamdCheck(Clamd(sockets=(server.socket,), retry_seconds=LONG)))


@OVER_TCP
@pytest.mark.parametrize("has_loop", [True, False])
def test_spamd_is_asked_again_at_once_after_a_shortage_of_descriptors(
    tmp_path: Path, is_unix: bool, has_loop: bool
) -> None:
    """Even when there was none for the loop that asks it."""
    with FakeSpamd(spamd.scores(1.0), path=tmp_path / "ctl" if is_unix else None) as server:
        check = SpamdCheck(Spamd(sockets=(server.socket,), retry_seconds=LONG))
        try:
            if has_loop:
                run(check)
            fails_and_is_well_again(check)
        finally:
            check.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN])
def test_every_shortage_of_ours_leaves_the_server_well(number: int) -> None:
    """Descriptors here and on the whole machine, memory, buffers."""
    assert is_asked_again(OSError(number, os.strerror(number)))


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.ENOENT, errno.EACCES, errno.ECONNRESET])
def test_what_the_server_did_puts_it_to_rest(number: int) -> None:
    """As ever."""
    assert not is_asked_again(OSError(number, os.strerror(number)))


def test_a_queue_that_stays_full_is_the_servers(tmp_path: Path) -> None:
    """Although the kernel says EAGAIN then."""
    late = TimeoutError("timed out")
    late.__cause__ = BlockingIOError(errno.EAGAIN, "full")
    assert not is_asked_again(late)


def is_asked_again(error: OSError) -> bool:
    servers = Servers("clamd", ("inet:1@127.0.0.1",), retry_seconds=LONG)
    asked: list[str] = []

    def question(turn: Turn) -> None:
        asked.append(turn.name)
        raise ServerFailure(CheckUnavailable, "no connection") from error

    for _ in range(2):
        with pytest.raises(CheckUnavailable):
            servers.ask(question, Budget(time.monotonic() + 20))
    return len(asked) == 2
