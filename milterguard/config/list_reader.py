# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files that lists and tables of the settings name: one entry in each line.

``#`` begins a comment, at the start of a line and behind a blank. ``!`` before an entry makes it an exception. In a
table its value stands behind the entry, with or without ``=`` between them, written as in TOML; text needs no quotes.

A file is bounded in its octets, entries, expressions and the length of a line, and has to be a regular file: who
names a pipe by mistake must not wait for ever.

*Source:* amavis ``read_hash``, ``read_array``, ``read_cidr``.

*Errors:* BrokenList with the line; who asked makes it a ConfigError or a line of the log.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from milterguard.config.list_entry import check_plain
from milterguard.config.list_file import FileUse, Line, ListFile, ListKind, Signature
from milterguard.config.pattern import network, split_exception
from milterguard.config.schema import recipient_entries
from milterguard.config.value import Mismatch, convert, described, from_text
from milterguard.core.value_table import UNDEFINED

MAX_OCTETS = 33_554_432
MAX_ENTRIES = 500_000
MAX_EXPRESSIONS = 1_000
"""Each is searched for on its own, in a microsecond."""
LONGEST_LINE = 1_024
_ATTEMPTS = 3
_EXPRESSION = re.compile(r"(!*/.+?/)(?:\s+(?:=\s*)?(.*))?\Z")
_ENTRY = re.compile(r'(!*(?:"(?:[^"\\]|\\.)*"\S*|\S+))(?:\s+(?:=\s*)?(.*))?\Z')
_COMMENT = re.compile(r"(?:^|\s)#")
_WITH_VALUES = (ListKind.SCORES, ListKind.VALUES)
_QUOTES = ('"', "'")
_BRACKETS = ("{", "[")


class BrokenList(Exception):  # noqa: N818  (caught by who names the file)
    """A file cannot be read, or a line in it."""

    def __init__(self, line: int, expected: str, got: str) -> None:
        super().__init__(line, expected, got)
        self.line, self.expected, self.got = line, expected, got
        """``line`` from 1, or 0 for the file as a whole."""

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}expected {self.expected}, found {self.got}"


def read_list(use: FileUse, *, known: ListFile | None = None) -> ListFile:
    """Return what stands in a file; ``known`` with a new signature when it is the same octets. Raises BrokenList."""
    octets, signature = _read(use.path)
    digest = hashlib.blake2b(octets, digest_size=16).digest()
    if known is not None and known.digest == digest:
        return ListFile(use, known.lines, signature, digest)
    return ListFile(use, tuple(_lines(use, octets)), signature, digest)


def signature_of(path: str) -> Signature:
    """Return by what a change of a file is told; empty for one that is not there."""
    try:
        return _signature(os.stat(path))  # noqa: PTH116  (Path.stat() takes twice as long)
    except (OSError, ValueError):
        return ()


def _signature(found: os.stat_result) -> Signature:
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)


def _read(path: str) -> tuple[bytes, Signature]:
    """Return what a file holds, and not half of it where somebody writes at this moment."""
    try:
        for _ in range(_ATTEMPTS):
            octets, before, after = _read_once(path)
            if before == after:
                break
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no file name"
        raise BrokenList(0, "a readable file", reason) from None
    return octets, before


def _read_once(path: str) -> tuple[bytes, Signature, Signature]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123  (Path has no way to open without waiting)
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise BrokenList(0, "a regular file", "a directory, pipe or device")
        octets = file.read(MAX_OCTETS + 1)
        after = os.fstat(descriptor)
    if len(octets) > MAX_OCTETS:
        raise BrokenList(0, f"at most {MAX_OCTETS} octets", "more")
    return octets, _signature(before), _signature(after)


def _lines(use: FileUse, octets: bytes) -> Iterator[Line]:
    entries = expressions = 0
    for number, text in _texts(octets):
        try:
            line = _line(use, text)
            entries += 1
            expressions += line[0].startswith("/") and use.kind is not ListKind.NETWORKS
        except Mismatch as mismatch:
            raise BrokenList(number, mismatch.expected, mismatch.got) from None
        if entries > MAX_ENTRIES:
            raise BrokenList(number, f"at most {MAX_ENTRIES} entries", "more")
        if expressions > MAX_EXPRESSIONS:
            raise BrokenList(number, f"at most {MAX_EXPRESSIONS} expressions", "more")
        yield line


def _texts(octets: bytes) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that says something."""
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenList(octets.count(b"\n", 0, error.start) + 1, "UTF-8", "other octets") from None
    for number, line in enumerate(text.replace("\t", " ").split("\n"), start=1):
        stripped = line.strip()
        if len(stripped) > LONGEST_LINE:
            raise BrokenList(number, f"at most {LONGEST_LINE} characters in a line", str(len(stripped)))
        if not stripped or stripped[0] == "#":
            continue
        if not stripped.isprintable():
            raise BrokenList(number, "printable text", described(stripped))
        yield number, stripped


def _line(use: FileUse, text: str) -> Line:
    """Return what a line says; raises Mismatch."""
    found = (_EXPRESSION if text.lstrip("!").startswith("/") else _ENTRY).match(text)
    entry, said = (found[1], _said(use, found[2] or "")) if found else (text, "")
    plain, is_exception = split_exception(entry)
    if (said and use.kind not in _WITH_VALUES) or ("," in plain and plain[0] not in '"/'):
        raise Mismatch("one entry in a line", described(text))
    if use.kind is ListKind.NETWORKS:
        return plain, is_exception, network(plain)
    check_plain(use.kind, plain)
    return plain, is_exception, _value(use, said, is_exception=is_exception)


def _said(use: FileUse, text: str) -> str:
    """Return the value without the comment behind it; in what TOML quotes or brackets a ``#`` is none."""
    is_text = use.kind is ListKind.VALUES and recipient_entries()[use.setting].kind is str
    if text.startswith(_QUOTES if is_text else (*_QUOTES, *_BRACKETS)):
        return text
    return _COMMENT.split(text, maxsplit=1)[0].strip() if "#" in text else text


def _value(use: FileUse, said: str, *, is_exception: bool) -> Any:
    if use.kind is ListKind.SCORES:
        return _points(said) if said else None
    if use.kind is not ListKind.VALUES:
        return None
    if is_exception:
        return UNDEFINED
    return _converted(use.setting, said)


@lru_cache(1024)
def _points(said: str) -> float:
    """Return a number as a level is written; raises Mismatch."""
    points = convert(recipient_entries()["spam_tag2_level"], from_text(recipient_entries()["spam_tag2_level"], said))
    if not isinstance(points, float):
        raise Mismatch("a number", described(said))
    return points


@lru_cache(1024)
def _converted(setting: str, said: str) -> Any:
    """Return a value as its setting's type, ``UNDEFINED`` for ``{}``; a key alone is true. Raises Mismatch."""
    entry = recipient_entries()[setting]
    if not said:
        if entry.kind is bool:
            return True
        raise Mismatch("a value behind the key", "none")
    value = from_text(entry, said)
    return UNDEFINED if value == {} else convert(entry, value)
