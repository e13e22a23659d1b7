# SPDX-License-Identifier: GPL-3.0-or-later
"""Several servers for one check: who is asked, who rests after a failure, and what is said when nobody answered.

The first server in the operator's order that is well is asked. One that failed rests for
``retry_seconds``; then a single message tries it out while it goes on resting for the others. A
message that makes a healthy server fail must not take it away from everybody: whoever answered
somebody else in the meantime does not rest. Nor does one that was not reached because we had no
descriptor or memory left for a connection.

*Errors:* CheckUnavailable when all rest or none can be reached, CheckTimeout when one was too
slow, CheckError for everything else; the detail names each server.
"""

import errno
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from milterguard.checks.base import Budget
from milterguard.config.socket import SocketKind, SocketSpec
from milterguard.core.text import printable
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable, ConfigError

T = TypeVar("T")

FAIR_SECONDS = 1.0
"""A server that was waited for less than that, because the message came late, is not to blame."""

_OUR_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN})


class ServerFailure(Exception):  # noqa: N818
    """One server gave no usable answer; the next one is to be asked."""

    def __init__(self, kind: type[CheckError], detail: str, *, is_alive: bool = False) -> None:
        """``is_alive`` says that the server is well and only this message came to nothing."""
        super().__init__(detail)
        self.kind, self.detail, self.is_alive = kind, detail, is_alive


def too_slow(what: str, patience: float, *, of: float) -> ServerFailure:
    """Return the failure of a server that was waited for ``patience`` seconds ``of`` those it has by its setting."""
    is_to_blame = patience >= min(FAIR_SECONDS, of)
    return ServerFailure(CheckTimeout, f"{what} in {patience:.1f} s", is_alive=not is_to_blame)


@dataclass(frozen=True, slots=True)
class Turn:
    """One server's turn with one message."""

    name: str
    """The server as the operator wrote it."""
    spec: SocketSpec
    is_last: bool
    """No other server is left to be asked."""

    def patience(self, budget: Budget, at_most: float) -> float:
        """Return the seconds this server may take: half of what is left if another could still be asked."""
        return budget.remaining(at_most) if self.is_last else min(at_most, budget.remaining() / 2)


@dataclass(slots=True)
class _Server:
    name: str
    spec: SocketSpec
    rests_until: float | None = None
    """None while it is well."""
    answered_at: float = float("-inf")
    trouble: str = ""


class Servers:
    """The servers of one check with the memory of their health. Safe to use from several threads."""

    def __init__(
        self,
        check: str,
        sockets: Sequence[str],
        *,
        retry_seconds: float,
        kinds: Collection[SocketKind] = frozenset(SocketKind),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``kinds`` are those the check can talk to.

        Raises ConfigError when ``sockets`` is empty or one of them is not of these.
        """
        key = f"checks.{check}.sockets"
        if not sockets:
            raise ConfigError("settings", key, expected="at least one server", got="none")
        self._check = check
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._servers = tuple(_Server(socket, _spec(socket, key, kinds)) for socket in sockets)

    @property
    def specs(self) -> tuple[SocketSpec, ...]:
        return tuple(server.spec for server in self._servers)

    def ask(self, question: Callable[[Turn], T], budget: Budget) -> T:
        """Return the first answer; ``question`` raises ServerFailure to have the next server asked.

        Raises CheckError; whatever else ``question`` raises goes through.
        """
        failures: list[tuple[Turn, ServerFailure]] = []
        for server, turn in self._turns():
            began = self._clock()
            try:
                answer = question(turn)
            except ServerFailure as failure:
                if budget.is_cancelled:
                    raise CheckError(self._check, "cancelled") from failure
                self._note_failure(server, failure, began=began)
                failures.append((turn, failure))
                if not budget.remaining():
                    break
            else:
                self._note_answer(server)
                return answer
        raise self._given_up(failures)

    def _turns(self) -> Iterator[tuple[_Server, Turn]]:
        """Yield the servers that do not rest, each looked at when its turn comes."""
        for index, server in enumerate(self._servers):
            with self._lock:
                if self._rests(server):
                    continue
                if server.rests_until is not None:
                    # One message tries it; a server that hangs must not hold all of them.
                    server.rests_until = self._clock() + self._retry_seconds
                is_last = all(self._rests(other) for other in self._servers[index + 1 :])
            yield server, Turn(server.name, server.spec, is_last)

    def _rests(self, server: _Server) -> bool:
        return server.rests_until is not None and self._clock() < server.rests_until

    def _note_answer(self, server: _Server) -> None:
        with self._lock:
            server.answered_at = self._clock()
            server.rests_until = None

    def _note_failure(self, server: _Server, failure: ServerFailure, *, began: float) -> None:
        with self._lock:
            if failure.is_alive or _is_ours(failure) or server.answered_at > began:
                return
            server.rests_until = self._clock() + self._retry_seconds
            server.trouble = failure.detail

    def _given_up(self, failures: Sequence[tuple[Turn, ServerFailure]]) -> CheckError:
        if not failures:
            resting = "; ".join(f"{server.name}: {server.trouble}" for server in self._servers)
            return CheckUnavailable(self._check, printable(f"resting after a failure: {resting}", 400))
        kinds = {failure.kind for _, failure in failures}
        detail = "; ".join(f"{turn.name}: {failure.detail}" for turn, failure in failures)
        return _heaviest(kinds)(self._check, printable(detail, 400))


def _is_ours(failure: ServerFailure) -> bool:
    """Whether we were short of something, which says nothing about the server."""
    cause = failure.__cause__
    # A TimeoutError may have EAGAIN for its cause: a queue that stays full is the server's.
    while cause is not None and not isinstance(cause, TimeoutError):
        if isinstance(cause, OSError) and cause.errno in _OUR_SHORTAGES:
            return True
        cause = cause.__cause__
    return False


def _spec(text: str, key: str, kinds: Collection[SocketKind]) -> SocketSpec:
    try:
        spec = SocketSpec.parse(text)
    except ValueError as error:
        raise ConfigError("settings", key, expected=str(error), got=repr(text)) from error
    if spec.kind not in kinds:
        raise ConfigError("settings", key, expected=" or ".join(sorted(kinds)) + ":…", got=repr(text))
    return spec


def _heaviest(kinds: set[type[CheckError]]) -> type[CheckError]:
    """Return what all servers together came to: only if none was reached, the check was unavailable."""
    if kinds == {CheckUnavailable}:
        return CheckUnavailable
    return CheckTimeout if CheckTimeout in kinds else CheckError
