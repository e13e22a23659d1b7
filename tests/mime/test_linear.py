# SPDX-License-Identifier: GPL-3.0-or-later
"""Twice the octets take twice the time, whatever they are."""

import base64
import gc
import mmap
import tempfile
import time
import tracemalloc
from binascii import b2a_qp
from collections.abc import Callable
from typing import NamedTuple

import pytest

from milterguard.core.part import Flag
from milterguard.mime.entity import Limits, Walked
from milterguard.mime.structure import walk


class Generator(NamedTuple):
    """Makes a message of about so many octets."""

    content_type: bytes
    make: Callable[[int], bytes]
    is_header: bool = False
    """What is made stands in the header of the one part."""


def _again(unit: bytes, first: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: first + unit * (size // len(unit))


def _numbered(unit: bytes, first: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: first + b"".join(unit.replace(b"#", b"%07d" % number) for number in range(size // len(unit)))


_PART = b"--foo\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
_MULTI = b"multipart/mixed; boundary=foo"
_TEXT = b"text/plain"
_OCTETS = b"application/octet-stream"
_BASE64 = b"\r\nContent-Transfer-Encoding: base64"
_QP = b"\r\nContent-Transfer-Encoding: quoted-printable"
_UU = b"\r\nContent-Transfer-Encoding: x-uuencode"
_NEST = b"--b#\r\nContent-Type: multipart/mixed; boundary=b#\r\n\r\n"

GENERATORS = {
    "nesting": Generator(b"multipart/mixed; boundary=b0000000", _numbered(_NEST)),
    "nesting with one boundary": Generator(_MULTI, _again(_NEST.replace(b"b#", b"foo"))),
    "nested messages": Generator(b"message/rfc822", _again(b"Content-Type: message/rfc822\r\n\r\n")),
    "nested messages cut short": Generator(b"message/rfc822", _again(b"x\r\nContent-Type: message/rfc822\r\n\r\n")),
    "parts": Generator(_MULTI, _again(_PART)),
    "empty parts": Generator(_MULTI, _again(b"--foo\r\n\r\n")),
    "parts cut short": Generator(_MULTI, _again(b"--foo\r\nx\r\nContent-Type: message/rfc822\r\n\r\n")),
    "closing delimiters": Generator(_MULTI, _again(b"--foo--\r\n")),
    "near delimiters": Generator(_MULTI, _again(b"--fooo\r\n", _PART)),
    "distinct near delimiters": Generator(_MULTI, _numbered(b"--foo#\r\n", _PART)),
    "declared near delimiters": Generator(_MULTI, _again(b"=foox\r\n--foox\r\n", _PART)),
    "boundaries within lines": Generator(_MULTI, _again(b"x--foo", _PART)),
    "delimiters after CR": Generator(_MULTI, _again(b"\r--foo")),
    "delimiters after blanks": Generator(_MULTI, _again(b"\n --foo")),
    "four boundaries": Generator(
        b"multipart/mixed; boundary=a; boundary=b; boundary=c; boundary=d", _again(b"--a\r\n--b\r\n--c\r\n--d\r\n")
    ),
    "undeclared delimiters": Generator(_TEXT, _numbered(b"--x#\r\nContent-Type: text/plain\r\n\r\nx\r\n")),
    "undeclared in a multipart": Generator(
        b"multipart/mixed", _numbered(b"--x#\r\nContent-Type: text/plain\r\n\r\nx\r\n")
    ),
    "hyphens": Generator(_TEXT, _again(b"-")),
    "lines of hyphens": Generator(_TEXT, _again(b"--\r\n")),
    "lines like delimiters": Generator(_TEXT, _again(b"--a:b\r\n")),
    "parameters": Generator(_TEXT, _again(b"; a=b"), is_header=True),
    "boundary parameters": Generator(_MULTI, _again(b"; boundary=b"), is_header=True),
    "continuations": Generator(_TEXT, _numbered(b"; name*#=b"), is_header=True),
    "encoded words": Generator(_TEXT, _again(b"=?utf-8?q?a?= ", b'; name="'), is_header=True),
    "comments": Generator(_TEXT, _again(b"("), is_header=True),
    "quotes": Generator(_TEXT, _again(b'"\\', b"; name="), is_header=True),
    "folds": Generator(_TEXT, _again(b"\r\n x"), is_header=True),
    "folds of blanks": Generator(_TEXT, _again(b"\r\n "), is_header=True),
    "fields": Generator(_TEXT, _again(b"\r\nContent-Type: a/b"), is_header=True),
    "comments in a name": Generator(_TEXT, _again(b"(", b"\r\nContent-Type"), is_header=True),
    "References": Generator(_TEXT, _again(b"<a@b.example> ", b"\r\nReferences: "), is_header=True),
    "fields after the header": Generator(_TEXT, _again(b"Content-Type: text/plain\r\n\r\n")),
    "base64": Generator(_OCTETS + _BASE64, _again(b"QUJD" * 18 + b"\r\n")),
    "base64 with junk": Generator(_OCTETS + _BASE64, _again(b"QUJD!=\r\n")),
    "base64 with padding": Generator(_OCTETS + _BASE64, _again(b"QQ==")),
    "soft line breaks": Generator(_OCTETS + _QP, _again(b"=\r\n")),
    "odd soft line breaks": Generator(_OCTETS + _QP, _again(b"=X = \r\n")),
    "encoded multipart": Generator(_MULTI + _BASE64, lambda size: base64.encodebytes(_PART * (size // 60))),
    "garbled base64": Generator(_OCTETS + _BASE64, _again(b"UE=sDBBQ-UJD\r\n")),
    "base64 with the high bit": Generator(_OCTETS + _BASE64, _again(b"\xd5\xc5\xf3\xc4QUJD\r\n")),
    "undeclared base64": Generator(_OCTETS, _again(b"UEsDBBQUJDQk1hYg\r\n")),
    "undeclared escapes": Generator(_OCTETS, _again(b"=41=42=43=E4\r\n")),
    "quoted-printable multipart": Generator(_MULTI + _QP, lambda size: b2a_qp(_PART * (size // 70))),
    "escapes in a multipart": Generator(_MULTI + _QP, _again(b"=41=\r\n", _PART)),
    "multipart in a text": Generator(_TEXT + _BASE64, lambda size: base64.encodebytes(_PART * (size // 60))),
    "short uuencode": Generator(_OCTETS + _UU, _again(b"#AAAA\r\n")),
    "uuencode": Generator(_TEXT, _again(b"begin 644 x\r\n")),
    "yEnc": Generator(_TEXT, _again(b"=ybegin line=128 size=1 name=x\r\n")),
    "BinHex": Generator(_TEXT, _again(b"(This file must be converted with BinHex 4.0)\r\n:")),
    "begin lines before nothing": Generator(_TEXT, _again(b"begin 644 a\r\n`\r\n \r\n\r\n")),
    "nothing behind begin lines": Generator(_TEXT, _again(b"`\r\n", b"begin 644 a\r\n" * 1000)),
    "NULs": Generator(_MULTI, _again(b"\0")),
    "carriage returns": Generator(_MULTI, _again(b"\r")),
    "line feeds": Generator(_MULTI, _again(b"\n")),
    "blanks": Generator(_MULTI, _again(b" ", _PART)),
}
_OCTETS_MADE = 300_000
_FAST_SECONDS = 0.004
"""Below, the clock says more about the machine than about the walk."""


def _walk(generator: Generator, size: int) -> tuple[float, Walked]:
    made = generator.make(size)
    if generator.is_header:
        header, body = b"Content-Type: multipart/mixed; boundary=bar\r\n", b"--bar\r\nContent-Type: "
        body += generator.content_type + made + b"\r\n\r\nx\r\n--bar--\r\n"
    else:
        header, body = b"Content-Type: " + generator.content_type + b"\r\n", made
    limits = Limits(header_bytes=4 * _OCTETS_MADE)
    gc.disable()  # it would go through what other tests have left
    try:
        start = time.process_time()  # a busy machine does not matter
        found = walk(header, body, limits)
        return time.process_time() - start, found
    finally:
        gc.enable()


def _times(generator: Generator) -> tuple[float, float]:
    """Return the shortest times for the octets and for twice as many, of a few runs of each in turn."""
    pairs = [(_walk(generator, _OCTETS_MADE)[0], _walk(generator, 2 * _OCTETS_MADE)[0]) for _ in range(3)]
    return min(once for once, _ in pairs), min(twice for _, twice in pairs)


@pytest.mark.parametrize("name", GENERATORS)
def test_twice_the_octets_take_twice_the_time(name: str) -> None:
    """The time less than 2.5-folds when the octets double, and stays far below two seconds."""
    for _ in range(3):
        once, twice = _times(GENERATORS[name])
        if twice < max(2.5 * once, _FAST_SECONDS):
            break
    assert twice < max(2.5 * once, _FAST_SECONDS)
    assert twice < 2


@pytest.mark.parametrize("name", ["nesting", "parts", "nested messages", "empty parts"])
def test_limits_are_a_problem_and_nothing_vanishes(name: str) -> None:
    """Beyond a limit the rest of the message stands as one leaf."""
    _, found = _walk(GENERATORS[name], _OCTETS_MADE)
    assert Flag.OVER_LIMITS in [problem.flag for problem in found.problems]
    assert max(entity.end for entity in found.entities if entity.is_leaf) == len(found.sources[0])


def test_fifty_megabytes_are_walked_in_place() -> None:
    """A message of 50 MB is walked in under 1.5 s and 64 MB of memory, its octets staying in the file."""
    line = b"QUJD" * 19 + b"\r\n"
    with tempfile.TemporaryFile() as file:
        file.write(_PART + b"--foo\r\nContent-Type: application/zip; name=a.zip" + _BASE64 + b"\r\n\r\n")
        for _ in range(50):
            file.write(line * 13_443)
        file.write(b"--foo--\r\n")
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as octets:
            start = time.perf_counter()
            found = walk(b"Content-Type: " + _MULTI + b"\r\n", octets)
            seconds = time.perf_counter() - start
            tracemalloc.start()
            walk(b"Content-Type: " + _MULTI + b"\r\n", octets)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            sizes = [sum(map(len, found.octets(index))) for index in (1, 2)]
    assert seconds < 1.5
    assert peak < 64 << 20
    assert sizes == [5, 50 * 13_443 * 57]
