# SPDX-License-Identifier: GPL-3.0-or-later
"""A message in a file, given to the guard as if it had come by milter.

Line ends may be LF or CRLF, and the line that begins a message in an mbox may stand above it. The
body moves to an unnamed file, so a message of any size needs little memory.

*Source:* RFC 5322 section 2.1; Postfix cleanup(8): the first line that is no field begins the body.

*Errors:* CommandError when it cannot be read or its header section is too long.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from mmap import ACCESS_READ, mmap
from typing import BinaryIO

from milterguard.cli.status import CommandError, Status
from milterguard.core.message import Field
from milterguard.effects.wire import crlf_lines
from milterguard.errors import ContentError

_BLOCK = 65536
_FIELD = re.compile(rb"([!-9;-~]+[ \t]*):(.*)\Z", re.DOTALL)


class FileContent:
    """The body, in a file without a name."""

    def __init__(self, file: BinaryIO) -> None:
        """``file`` holds the whole body, with CRLF line ends."""
        self._descriptor = file.fileno()
        self.size = os.fstat(self._descriptor).st_size

    def open(self, *, deadline: float | None = None) -> "FileReader":
        del deadline  # everything has arrived
        return FileReader(self._descriptor)

    def whole(self, *, deadline: float | None = None) -> bytes | mmap:
        del deadline
        return mmap(self._descriptor, 0, access=ACCESS_READ) if self.size else b""


class FileReader:
    """A reading position of its own; several may read at the same time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._position = descriptor, 0

    def read(self, size: int, /) -> bytes:
        try:
            block = os.pread(self._descriptor, size, self._position)
        except OSError as error:
            raise ContentError(f"the body cannot be read: {error.strerror}") from error
        self._position += len(block)
        return block

    def close(self) -> None:
        """Nothing to give back: the file belongs to the content."""


@contextmanager
def opened_mail(name: str, *, max_header_bytes: int) -> Iterator[tuple[list[Field], FileContent]]:
    """Give fields and body of the message in a file; ``-`` is standard input."""
    try:
        with _opened(name) as stream, tempfile.TemporaryFile() as body:
            try:
                fields, first = read_fields(stream, max_header_bytes)
            except CommandError as error:
                raise CommandError(f"{name}: {error}", error.status) from error
            for block in crlf_lines(chain([first], iter(lambda: stream.read(_BLOCK), b""))):
                body.write(block)
            body.flush()
            yield fields, FileContent(body)
    except OSError as error:
        is_theirs = isinstance(error, FileNotFoundError | IsADirectoryError | PermissionError)
        status = Status.NO_INPUT if is_theirs else Status.IO
        raise CommandError(f"{name}: {error.strerror or error}", status) from error


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with open(name, "rb") as file:  # noqa: PTH123  (a name of the operator's, not a path of ours)
        yield file


def read_fields(stream: BinaryIO, limit: int) -> tuple[list[Field], bytes]:
    """Return the fields, and what was read of the body already."""
    fields: list[tuple[bytes, list[bytes]]] = []
    left = limit
    is_first = True
    while line := stream.readline(left + 1):
        left -= len(line)
        if left < 0:
            told = "the client would be told: 552 5.3.4 Message too big"
            raise CommandError(f"header section over server.max_header_bytes ({limit}); {told}", Status.DATA)
        text = line.rstrip(b"\r\n")
        match = _FIELD.match(text)
        if text.startswith((b" ", b"\t")) and fields:
            fields[-1][1].append(text)
        elif match is not None:
            fields.append((match[1], [match[2]]))
        elif not (is_first and text.startswith(b"From ")):
            return _made(fields), line if text else b""
        is_first = False
    return _made(fields), b""


def _made(fields: list[tuple[bytes, list[bytes]]]) -> list[Field]:
    return [Field(name, b"\n".join(lines)) for name, lines in fields]
