# SPDX-License-Identifier: GPL-3.0-or-later
"""Withheld mail in files: durable before anybody is answered, found by id, released once.

A copy is written aside in ``.incoming``, synced, and then linked to its name in one step, so every
file that can be seen is complete. Killed at any point, this leaves at most a draft that nobody
sees; it is removed after a day. Drafts have a folder of their own because looking for old ones must
not mean to list a hundred thousand messages.

*Source:* amavis' ``$QUARANTINEDIR``, its file names and its one level of folders.
*Errors:* StoreError when a copy could not be made durable; ContentError when the message is gone.
"""

import gzip
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from milterguard.core.finding import Category
from milterguard.core.message import Message, blocks
from milterguard.core.text import decoded
from milterguard.core.verdict import Keep
from milterguard.errors import NotFoundError, StoreError
from milterguard.store.duplicates import Duplicates
from milterguard.store.durable import make_folder, open_new, opened_folder, refusals, remove_quietly
from milterguard.store.location import (
    checked,
    checked_path,
    folders_in,
    letters_in,
    location_of,
    locations_of,
    mail_id_at,
)
from milterguard.store.original import Original, is_whole, read_prefix
from milterguard.store.prefix import Prefix, rendered
from milterguard.store.receipt import Release, is_released, release, remove_receipt

log = logging.getLogger(__name__)

_PACKING_LEVEL = 5
_STALE_SECONDS = 86400.0
_SWEEP_SECONDS = 3600.0
_RELEASE_WAIT_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a copy lies."""

    location: str
    """Relative to the quarantine's root: ``V/virus-VkX0aB3dE5fG``."""
    is_new: bool
    """False when the same message was kept before."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One quarantined message, as its own file describes it."""

    mail_id: str
    category: Category
    sender: str
    recipients: tuple[str, ...]
    blocked: tuple[str, ...]
    """For whom it is kept."""
    subject: str
    """Unfolded; hostile."""
    size_bytes: int
    """Octets of the message itself."""
    received_at: float
    """Seconds since the epoch."""
    status: str
    """``held`` or ``released``."""
    location: str
    """Relative to the quarantine's root."""


class FileQuarantine:
    """A quarantine in a folder. Safe for several threads and processes."""

    def __init__(self, root: Path) -> None:
        """``root`` is created with the first message."""
        self._root = root
        self._ready: set[Path] = set()
        self._duplicates = Duplicates(root / ".index", is_alive=self._holds)
        self._swept_at: float | None = None

    # --- writing ---------------------------------------------------------------------------------

    def store(self, message: Message, keep: Keep, *, fields: Sequence[tuple[str, str]] = ()) -> Stored:
        """Keep a message; durable when this returns. ``fields`` are put before it.

        Reads the message twice: once for knowing whether it lies here already, once for copying.
        """
        wanted = location_of(keep.category, checked(message.mail_id), keep.folder)
        digest, size = _digest(message)
        key = _key(message, keep, digest)
        location = self._duplicates.find(key)
        if not location:
            head = rendered(_prefix(message, keep, key=key, size=size), fields)
            with refusals("the quarantine could not take a copy"):
                location = self._write(message, head, key=key, location=wanted, size=size)
        # Whoever wrote an older copy may not have come as far as making its name durable.
        self._sync(location)
        return Stored(location, is_new=location == wanted)

    def _write(self, message: Message, head: bytes, *, key: str, location: str, size: int) -> str:
        """Write aside, sync, show; return where the message lies now."""
        path = checked_path(self._root, location)
        incoming_path = self._root / ".incoming"
        self._ensure(incoming_path)
        self._ensure(path.parent)
        self._sweep()
        draft = f"{path.name}.{os.urandom(8).hex()}"
        with opened_folder(incoming_path) as incoming, opened_folder(path.parent) as folder:
            try:
                _copy(message, head, open_new(draft, incoming), size=size, packed=path.suffix == ".gz")
                return self._duplicates.publish(
                    key,
                    location,
                    # link(2), unlike rename(2), never replaces what is there.
                    lambda: os.link(draft, path.name, src_dir_fd=incoming, dst_dir_fd=folder, follow_symlinks=False),
                )
            finally:
                remove_quietly(draft, incoming)

    def _sync(self, location: str) -> None:
        """Make a copy's name durable."""
        path = checked_path(self._root, location)
        with refusals("the quarantine could not make a copy durable"), opened_folder(path.parent) as folder:
            os.fsync(folder)

    def _ensure(self, folder: Path) -> None:
        """Create a folder durably; once per process, because another may have created it just now."""
        if folder not in self._ready or not folder.is_dir():
            make_folder(folder)
            self._ready.add(folder)

    def _sweep(self) -> None:
        """Remove drafts that a crash has left, at most once an hour. Never raises."""
        now = time.monotonic()
        if self._swept_at is None or now - self._swept_at > _SWEEP_SECONDS:
            self._swept_at = now
            self.remove_drafts(older_than_seconds=_STALE_SECONDS)

    def remove_drafts(self, *, older_than_seconds: float) -> int:
        """Remove drafts of that age and return how many there were. Never raises."""
        count = 0
        with suppress(OSError), opened_folder(self._root / ".incoming") as folder, os.scandir(folder) as drafts:
            for draft in drafts:
                with suppress(OSError):
                    age = time.time() - draft.stat(follow_symlinks=False).st_mtime
                    count += age >= older_than_seconds and remove_quietly(draft.name, folder)
        return count

    # --- reading ---------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """Yield every message, folder by folder. Damaged files are logged and left out."""
        with refusals("the quarantine cannot be listed"):
            folders = [letter for folder in folders_in(self._root) for letter in letters_in(self._root, folder)]
        for folder in folders:
            yield from self._entries_in(folder)

    def _entries_in(self, folder: str) -> Iterator[Entry]:
        with (
            refusals("the quarantine cannot be listed"),
            opened_folder(self._root / folder) as descriptor,
            os.scandir(descriptor) as files,
        ):
            names = sorted(file.name for file in files)
        for location in (f"{folder}/{name}" for name in names):
            if not (mail_id := mail_id_at(location)):
                continue
            try:
                yield self._entry(location, mail_id)
            except NotFoundError:
                continue  # deleted while we were listing
            except StoreError as error:
                log.warning("quarantine: %s is left out: %s", location, error)

    def find(self, mail_id: str) -> Entry:
        """Return the message with that id. NotFoundError if there is none, StoreError if it is not itself."""
        with refusals("the quarantine cannot be searched"):
            for location in locations_of(checked(mail_id), folders_in(self._root)):
                with suppress(NotFoundError):
                    return self._entry(location, mail_id)
        raise NotFoundError(f"there is no message {mail_id} in the quarantine")

    def open(self, entry: Entry) -> Original:
        """Return a reader of the message's own octets, without the fields put before it."""
        original = Original(self._root / entry.location)
        if original.prefix.mail_id != entry.mail_id:
            original.close()
            raise StoreError(f"the file of {entry.mail_id} holds another message")
        return original

    def _entry(self, location: str, mail_id: str) -> Entry:
        head = read_prefix(checked_path(self._root, location))
        if head.mail_id != mail_id:
            raise StoreError(f"the file of {mail_id} holds another message")
        return Entry(
            mail_id=mail_id,
            category=head.category,
            sender=head.sender,
            recipients=head.recipients,
            blocked=head.blocked,
            subject=head.subject,
            size_bytes=head.size_bytes,
            received_at=head.received_at,
            status="released" if is_released(self._root / location) else "held",
            location=location,
        )

    def _holds(self, location: str, key: str) -> bool:
        """Whether a location holds the message with that key, whole."""
        try:
            return bool(mail_id_at(location)) and is_whole(checked_path(self._root, location), key)
        except StoreError:
            return False

    # --- giving back -----------------------------------------------------------------------------

    @contextmanager
    def begin_release(self, mail_id: str, *, wait_seconds: float = _RELEASE_WAIT_SECONDS) -> Iterator[Release]:
        """Give the release state of a message; nobody else can release or delete it meanwhile.

        Raises NotFoundError, and StoreError when somebody else is at it for longer than ``wait_seconds``.
        """
        entry = self.find(mail_id)
        with release(self._root / entry.location, mail_id, wait_seconds=wait_seconds) as state:
            yield state

    def delete(self, mail_id: str) -> None:
        """Delete a message for good. StoreError while it is being released."""
        location = self.find(mail_id).location
        path = self._root / location
        with release(path, mail_id, wait_seconds=0.0), refusals("the message could not be deleted"):
            key = read_prefix(path).key
            with opened_folder(path.parent) as folder:
                os.unlink(path.name, dir_fd=folder)
                remove_receipt(path.name, folder)
                os.fsync(folder)
        self._duplicates.forget(key, location)


def _copy(message: Message, head: bytes, descriptor: int, *, size: int, packed: bool) -> None:
    """Write head and message, and sync; the descriptor is closed."""
    with os.fdopen(descriptor, "wb") as file:
        written = _pack(message, head, file) if packed else _write_all(file, blocks(message, head))
        if written != len(head) + size:
            raise StoreError("the message changed while it was being kept")
        file.flush()
        os.fsync(file.fileno())


def _pack(message: Message, head: bytes, file: BinaryIO) -> int:
    with gzip.GzipFile("", "wb", _PACKING_LEVEL, fileobj=file, mtime=int(message.received_at)) as packed:
        return _write_all(packed, blocks(message, head))


def _write_all(file: BinaryIO | gzip.GzipFile, octets: Iterable[bytes]) -> int:
    return sum(file.write(block) for block in octets)


def _digest(message: Message) -> tuple[str, int]:
    """Return the SHA-256 of header and body, and their length."""
    digest, size = hashlib.sha256(), 0
    for block in blocks(message):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


def _key(message: Message, keep: Keep, digest: str) -> str:
    """Return what a retry of the same message has in common with it."""
    facts = [message.envelope.sender, sorted(set(keep.recipients)), keep.category.word, digest]
    facts += [keep.folder] if keep.folder else []
    return hashlib.sha256(json.dumps(facts).encode("ascii")).hexdigest()


def _prefix(message: Message, keep: Keep, *, key: str, size: int) -> Prefix:
    return Prefix(
        mail_id=message.mail_id,
        sender=message.envelope.sender,
        recipients=tuple(recipient.address for recipient in message.envelope.recipients),
        blocked=keep.recipients,
        received_at=message.received_at,
        size_bytes=size,
        category=keep.category,
        key=key,
        subject=decoded(message.first(b"Subject")),
    )
