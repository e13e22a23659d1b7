# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a quarantined message has been given back: so that asking twice delivers once.

Before the MTA is spoken to an *intent* is written, after its 2xx the *receipt* takes its place. An
intent without a receipt says that we died in between: perhaps it was delivered, and a human (or the
use mark of the token) must say. The message's own file is locked meanwhile.

*Errors:* StoreError when somebody else is releasing the message, or the disk refuses.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from milterguard.errors import NotFoundError, StoreError
from milterguard.store.durable import lock, open_regular, opened_folder, refusals, remove_quietly, replace_file

_SUFFIX = ".receipt"
_LIMIT_OCTETS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of an earlier release."""

    is_released: bool
    """True after the MTA's 2xx; False for an intent only."""
    token_digest: str
    lines: tuple[str, ...]
    """The MTA's replies."""
    at: float
    """Seconds since the epoch."""


class Release:
    """The release of one message, nobody else's meanwhile."""

    def __init__(self, name: str, folder: int) -> None:
        self._name, self._folder = name + _SUFFIX, folder
        self.previous: Receipt | None = _read(self._name, folder)
        """An earlier receipt or intent; None if there was none."""
        self._token_digest = self.previous.token_digest if self.previous else ""

    @property
    def is_uncertain(self) -> bool:
        """Whether a release was begun and nobody knows how it ended."""
        return self.previous is not None and not self.previous.is_released

    def write_intent(self, token_digest: str) -> None:
        """Say durably that the message is about to be handed to the MTA with that token."""
        self._token_digest = token_digest
        self._write("intent", ())

    def write_receipt(self, lines: Sequence[str]) -> None:
        """Say durably that the MTA has taken it, with what it said."""
        self._write("released", lines)

    def withdraw_intent(self) -> None:
        """Take the intent back: the MTA has plainly refused the message."""
        with refusals("the intent could not be taken back"):
            remove_quietly(self._name, self._folder)
            os.fsync(self._folder)

    def _write(self, state: str, lines: Sequence[str]) -> None:
        document = {"state": state, "token_digest": self._token_digest, "lines": list(lines), "at": time.time()}
        with refusals("the receipt could not be written"):
            replace_file(self._name, json.dumps(document).encode("ascii"), self._folder)


@contextmanager
def release(path: Path, mail_id: str, *, wait_seconds: float) -> Iterator[Release]:
    """Lock a quarantined file and give its release state."""
    with _folder_of(path, mail_id) as folder:
        descriptor = _opened(path.name, mail_id, folder)
        try:
            if not lock(descriptor, wait_seconds=wait_seconds):
                raise StoreError(f"message {mail_id} is being released or deleted by somebody else")
            if os.fstat(descriptor).st_nlink == 0:
                raise NotFoundError(f"message {mail_id} has just been deleted")
            yield Release(path.name, folder)
        finally:
            os.close(descriptor)


@contextmanager
def _folder_of(path: Path, mail_id: str) -> Iterator[int]:
    try:
        manager = opened_folder(path.parent)
        folder = manager.__enter__()
    except OSError as error:
        raise StoreError(f"message {mail_id} cannot be read: {error.strerror}") from error
    try:
        yield folder
    finally:
        manager.__exit__(None, None, None)


def _opened(name: str, mail_id: str, folder: int) -> int:
    try:
        return open_regular(name, folder)
    except FileNotFoundError as error:
        raise NotFoundError(f"message {mail_id} has just been deleted") from error
    except OSError as error:
        raise StoreError(f"message {mail_id} cannot be read: {error.strerror}") from error


def is_released(path: Path) -> bool:
    """Whether the message in that file has a receipt. Raises StoreError when it cannot be read."""
    with refusals("the receipt cannot be read"), opened_folder(path.parent) as folder:
        receipt = _read(path.name + _SUFFIX, folder)
    return receipt is not None and receipt.is_released


def remove_receipt(name: str, folder: int) -> None:
    """Remove the receipt of a deleted message, if it has one."""
    remove_quietly(name + _SUFFIX, folder)


def _read(name: str, folder: int) -> Receipt | None:
    try:
        descriptor = open_regular(name, folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"the receipt cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        octets = file.read(_LIMIT_OCTETS)
    try:
        document = json.loads(octets)
        return Receipt(
            is_released=document["state"] == "released",
            token_digest=str(document["token_digest"]),
            lines=tuple(str(line) for line in document["lines"]),
            at=float(document["at"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        # Damaged: whether it was released is unknown, and that must not look like "never".
        raise StoreError("the receipt is damaged; look at it and remove it by hand") from error
