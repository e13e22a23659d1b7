# SPDX-License-Identifier: GPL-3.0-or-later
"""Decodes quoted-printable as different programs do: they disagree on blanks and on what is no escape.

Mailers write it sloppily, so text that is read in two ways is odd only. Where control octets come out,
it is no text, and two readings of it may hide a file.

*Source:* RFC 2045 section 6.7.
"""

import re
from binascii import a2b_qp
from collections.abc import Callable, Iterator
from functools import partial

from milterguard.mime.decoding import Decoding, lines
from milterguard.mime.octets import Octets

_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"
_CONTROLS = bytes(set(range(32)) - set(b"\t\r\n\f\x1b")) + b"\x7f"

_IRREGULAR_ESCAPE = re.compile(rb"=(?![0-9A-F]{2}|\r?\n)")
# Each run of blanks is looked at once, from its beginning.
_BLANKS_AT_END = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n)")
# A blank at the end of a line, or half a line end, in text without and with carriage returns.
_AMISS = {
    False: (re.compile(rb"\n(?<=[ \t]\n)"),),
    True: (re.compile(rb"\r(?:(?<=[ \t]\r)|(?!\n))"), re.compile(rb"\n(?<!\r\n)")),
}
_SOFT = re.compile(rb"=[ \t]*+\r*+\n")
_SOFT_BARE_CR = re.compile(rb"=\r(?!\n)")
_NO_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r?\n)")
_INVALID = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*+\r?\n|\r)")
# What comes out as a control octet.
_CONTROL = re.compile(rb"=(?:0[0-8BEFbef]|1[0-9ACDEFacdef]|7[Ff])")
_NO_ESCAPE_WHOLE = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r?\n)[^\r\n=]{0,2}+")
_BLANK_ENDS = tuple(blank + end for blank in (b" ", b"\t") for end in (b"\n", b"\r"))


def quoted_printable(octets: Octets, start: int, end: int) -> tuple[Decoding, ...]:
    """Return the readings of quoted-printable. Never raises."""
    if all(_is_regular(block) for block in lines(octets, start, end)):
        regular = partial(_decoded, octets, start, end, decode=a2b_qp)
        return (Decoding("", is_odd=False, is_ambiguous=False, blocks=regular),)
    blocks = partial(_decoded, octets, start, end, decode=_tolerant)
    first = Decoding("", is_odd=True, is_ambiguous=False, blocks=blocks)
    others = list(_others(octets, start, end))
    is_text = not others or not any(map(_has_controls, lines(octets, start, end)))
    return (first, *(Decoding(name, is_odd=True, is_ambiguous=not is_text, blocks=give) for name, give in others))


def _is_regular(block: bytes) -> bool:
    # Most mail is, so what is looked for begins with one rare octet: that is found fastest.
    if block.endswith((b"=", b" ", b"\t")) or any(amiss.search(block) for amiss in _AMISS[b"\r" in block]):
        return False
    return not block.translate(None, _PRINTABLE) and _IRREGULAR_ESCAPE.search(block) is None


def _has_controls(block: bytes) -> bool:
    """Tell whether control octets stand in quoted-printable, escaped or not."""
    return len(block.translate(None, _CONTROLS)) < len(block) or bool(_CONTROL.search(_SOFT.sub(b"", block)))


def _others(octets: Octets, start: int, end: int) -> Iterator[tuple[str, Callable[[], Iterator[bytes]]]]:
    has_blanks = has_invalid = False
    for block in _pieces(octets, start, end):
        has_blanks = has_blanks or any(each in block for each in _BLANK_ENDS) or b"=\r" in block.replace(b"=\r\n", b"")
        has_invalid = has_invalid or _INVALID.search(block) is not None
    if has_blanks:
        yield "quoted-printable with blanks kept", partial(_decoded, octets, start, end, decode=_blanks_kept)
    if has_invalid:
        yield "quoted-printable without stray signs", partial(_decoded, octets, start, end, decode=_signs_dropped)
        yield "quoted-printable without invalid escapes", partial(_decoded, octets, start, end, decode=_escapes_dropped)
        yield "quoted-printable up to an invalid escape", partial(_up_to_invalid, octets, start, end)


def _without_blanks(block: bytes) -> bytes:
    return _SOFT_BARE_CR.sub(b"", _BLANKS_AT_END.sub(b"", block))


def _tolerant(block: bytes) -> bytes:
    return a2b_qp(_NO_ESCAPE.sub(b"=3D", _without_blanks(block)))


def _blanks_kept(block: bytes) -> bytes:
    return a2b_qp(_NO_ESCAPE.sub(b"=3D", block))


def _signs_dropped(block: bytes) -> bytes:
    return a2b_qp(_NO_ESCAPE.sub(b"", _without_blanks(block)))


def _escapes_dropped(block: bytes) -> bytes:
    return a2b_qp(_NO_ESCAPE_WHOLE.sub(b"", _without_blanks(block)))


def _decoded(octets: Octets, start: int, end: int, *, decode: Callable[[bytes], bytes]) -> Iterator[bytes]:
    for block in _pieces(octets, start, end):
        if decoded := decode(block):
            yield decoded


def _up_to_invalid(octets: Octets, start: int, end: int) -> Iterator[bytes]:
    for block in _pieces(octets, start, end):
        clean = _without_blanks(block)
        found = _NO_ESCAPE.search(clean)
        if decoded := a2b_qp(clean[: found.start()] if found else clean):
            yield decoded
        if found:
            return


def _pieces(octets: Octets, start: int, end: int) -> Iterator[bytes]:
    """Yield pieces of whole lines; where a line is too long for that, a sign and what follows it stay together."""
    rest = b""
    for block in lines(octets, start, end):
        piece = rest + block
        start_of_rest = piece.find(b"=", max(len(piece) - 2, 0)) if not piece.endswith(b"\n") else -1
        cut = start_of_rest if start_of_rest >= 0 else len(piece)
        rest = piece[cut:]
        yield piece[:cut]
    yield rest.removesuffix(b"=")
