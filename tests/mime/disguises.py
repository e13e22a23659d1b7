# SPDX-License-Identifier: GPL-3.0-or-later
"""Every odd way to encode octets.

*Source:* the dimensions of noxxi's mime-is-broken and of MIMEminer, as their samples' names tell them.
"""

from base64 import b64encode
from binascii import b2a_uu
from collections.abc import Callable, Iterable
from functools import partial

from tests.mime.encoder import binhex_text, lines, yenc_lines

Encoder = Callable[[bytes], bytes]


def _plain(octets: bytes) -> bytes:
    return lines(b64encode(octets), 76)


def _cut(octets: bytes, lengths: Iterable[int], *, end: bytes = b"\r\n") -> bytes:
    """Return base64 in lines of these lengths, in turn."""
    text, made, turns = b64encode(octets), b"", tuple(lengths)
    while text:
        for length in turns:
            made += text[:length] + end if text else b""
            text = text[length:]
    return made


def _chunked(octets: bytes, size: int, *, glue: bytes = b"") -> bytes:
    """Return base64 of pieces, each padded, in lines."""
    pieces = (b64encode(octets[at : at + size]) for at in range(0, len(octets), size))
    return lines(glue.join(pieces), 76) if not glue.endswith(b"\n") else glue.join(pieces) + glue


def _strewn(octets: bytes, junk: bytes, every: int = 7) -> bytes:
    """Return base64 with junk between its letters."""
    text = b64encode(octets)
    return lines(junk.join(text[at : at + every] for at in range(0, len(text), every)), 76)


def _at(octets: bytes, place: int, junk: bytes) -> bytes:
    text = b64encode(octets)
    return lines(text[:place] + junk + text[place:], 76)


def _high(octets: bytes, every: int) -> bytes:
    """Return base64 with the high bit set in some letters."""
    text = bytearray(_plain(octets))
    for place in range(0, len(text), every):
        text[place] |= 128 if text[place] > 32 else 0
    return bytes(text)


def _line_wise(octets: bytes, before: bytes, after: bytes = b"") -> bytes:
    return b"".join(before + line + after + b"\r\n" for line in _plain(octets).split())


def _unpadded(octets: bytes) -> bytes:
    return lines(b64encode(octets).rstrip(b"="), 76)


_SAFE = bytes.maketrans(b"+/", b"-_")
BASE64: dict[str, Encoder] = {
    "basic": _plain,
    "mixedlen": lambda octets: _cut(octets, (4, 4, 8, 8, 16, 32, 32, 64)),
    "mixedlen-odd": lambda octets: _cut(octets, (5, 3, 1, 7, 2, 9)),
    **{f"linelen-{length}": partial(_cut, lengths=(length,)) for length in (1, 3, 4, 5, 7)},
    **{f"linelen-{length}": partial(_cut, lengths=(length,)) for length in (60, 72, 75, 77)},
    "one-line": lambda octets: b64encode(octets) + b"\r\n",
    "not-ended": lambda octets: _plain(octets).rstrip(),
    "line-feeds": lambda octets: _plain(octets).replace(b"\r", b""),
    "carriage-returns": lambda octets: _plain(octets).replace(b"\n", b""),
    "two-carriage-returns": lambda octets: _plain(octets).replace(b"\r", b"\r\r"),
    "empty-lines": lambda octets: _plain(octets).replace(b"\r\n", b"\r\n\r\n"),
    "empty-line-first": lambda octets: b"\r\n\r\n" + _plain(octets),
    "blanks-last": lambda octets: _line_wise(octets, b"", b" \t "),
    "blanks-first": lambda octets: _line_wise(octets, b" \t "),
    "blanks": lambda octets: _strewn(octets, b" "),
    "tabs": lambda octets: _strewn(octets, b"\t", 1),
    "form-feeds": lambda octets: _strewn(octets, b"\f\v"),
    "unpadded": _unpadded,
    "half-padded": lambda octets: lines(b64encode(octets).removesuffix(b"="), 76),
    "over-padded": lambda octets: lines(b64encode(octets) + b"====", 76),
    "padding-apart": lambda octets: lines(b64encode(octets).replace(b"=", b"\r\n=\r\n"), 76),
    **{f"chunks-{size}": partial(_chunked, size=size) for size in (1, 2, 10, 50)},
    "chunks-in-lines": lambda octets: _chunked(octets, 10, glue=b"\r\n"),
    "chunks-of-16-in-lines": lambda octets: _chunked(octets, 16, glue=b"\r\n"),
    "padded-first": lambda octets: b64encode(octets[:1]) + b"\r\n" + _plain(octets[1:]),
    "padded-first-joined": lambda octets: lines(b64encode(octets[:1]) + b64encode(octets[1:]), 76),
    "padded-last": lambda octets: _plain(octets[:100]) + _plain(octets[100:]),
    "equals-first": lambda octets: _at(octets, 0, b"="),
    "equals-first-4": lambda octets: _at(octets, 0, b"===="),
    "equals-line-first": lambda octets: b"====\r\n" + _plain(octets),
    **{f"equals-at-{place}": partial(_at, place=place, junk=b"=") for place in (1, 2, 3, 4)},
    "equals-3-at-1": lambda octets: _at(octets, 1, b"==="),
    "equals-2-at-2": lambda octets: _at(octets, 2, b"=="),
    "equals-2-at-40": lambda octets: _at(octets, 40, b"=="),
    "equals-4-at-40": lambda octets: _at(octets, 40, b"===="),
    "equals-everywhere": lambda octets: _strewn(octets, b"="),
    "equals-between-fours": lambda octets: _strewn(octets, b"=", 4),
    "equals-between-letters": lambda octets: _strewn(octets, b"=", 1),
    "soft-breaks": lambda octets: _line_wise(octets, b"", b"="),
    "as-qp": lambda octets: _plain(octets).replace(b"=", b"=3D"),
    **{f"junk-{junk.hex()}": partial(_strewn, junk=junk) for junk in (b"!", b"*", b"#", b",", b".")},
    **{f"junk-{junk.hex()}": partial(_strewn, junk=junk) for junk in (b"-", b"_", b"\0", b"\xff")},
    **{f"junk-{junk.hex()}": partial(_strewn, junk=junk) for junk in (b"\x80\xa0", b"-_!", b"<>")},
    "junk-everywhere": lambda octets: _strewn(octets, b"@", 1),
    "junk-first": lambda octets: _at(octets, 0, b"!"),
    "junk-at-1": lambda octets: _at(octets, 1, b"!"),
    "junk-at-40": lambda octets: _at(octets, 40, b"!"),
    "junk-equals": lambda octets: _strewn(octets, b"!="),
    "junk-line-first": lambda octets: b"!!!!\r\n" + _plain(octets),
    "text-line-first": lambda octets: b"This is an attachment.\r\n" + _plain(octets),
    "text-lines-first": lambda octets: b"This is a file.\r\n\r\n" + _plain(octets),
    "text-behind": lambda octets: _plain(octets) + b"\r\nThis was a file.\r\n",
    "field-first": lambda octets: b"X-Any: thing\r\n" + _plain(octets),
    "field-and-empty-line-first": lambda octets: b"X-Any: thing\r\n\r\n" + _plain(octets),
    "field-within": lambda octets: _plain(octets[:57]) + b"X-Any: thing\r\n" + _plain(octets[57:]),
    "comment-within": lambda octets: _plain(octets[:57]) + b"(any thing)\r\n" + _plain(octets[57:]),
    "hyphens-within": lambda octets: _plain(octets[:57]) + b"--any\r\n" + _plain(octets[57:]),
    "delimiter-like-within": lambda octets: _plain(octets[:57]) + b"--foox\r\n" + _plain(octets[57:]),
    "comments": lambda octets: _strewn(octets, b"(x)"),
    "quoted": lambda octets: _line_wise(octets, b"> "),
    "dots": lambda octets: _line_wise(octets, b"."),
    "numbered": lambda octets: _line_wise(octets, b"#: "),
    "in-quotes": lambda octets: _line_wise(octets, b'"', b'"'),
    "commas": lambda octets: _line_wise(octets, b"", b","),
    "armoured": lambda octets: b"-----BEGIN FILE-----\r\n" + _plain(octets) + b"-----END FILE-----\r\n",
    "begin-base64": lambda octets: b"begin-base64 644 eicar.zip\r\n" + _plain(octets) + b"====\r\n",
    "bom": lambda octets: b"\xef\xbb\xbf" + _plain(octets),
    "control-z": lambda octets: _plain(octets) + b"\x1a",
    "nul-first": lambda octets: b"\0" + _plain(octets),
    "url-safe": lambda octets: _plain(octets).translate(_SAFE),
    "url-safe-unpadded": lambda octets: _unpadded(octets).translate(_SAFE),
    "url-safe-mixed": lambda octets: _plain(octets[:57]).translate(_SAFE) + _plain(octets[57:]),
    **{f"high-bit-{every}": partial(_high, every=every) for every in (1, 2, 7, 78)},
    "utf-16": lambda octets: _plain(octets).decode().encode("utf-16"),
    "utf-16be": lambda octets: _plain(octets).decode().encode("utf-16-be"),
}


def _escaped(
    octets: bytes,
    plain: bytes = b"",
    *,
    form: bytes = b"=%02X",
    most: int = 76,
    soft: bytes = b"=\r\n",
    last: bytes = b"=\r\n",
) -> bytes:
    """Return quoted-printable, with these octets as they are, in lines of at most so many characters."""
    made, line = [], b""
    for octet in octets:
        one = bytes((octet,)) if octet in plain else form % octet
        if len(line) + len(one) > most - 1:
            made.append(line)
            line = b""
        line += one
    return soft.join([*made, line]) + last


_ALNUM = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SAFE_ONES = bytes(set(range(33, 127)) - set(b"=."))
_RAW = bytes(set(range(256)) - set(b"=\r\n \t."))
QUOTED_PRINTABLE: dict[str, Encoder] = {
    "basic": lambda octets: _escaped(octets, _SAFE_ONES),
    "no_tab": lambda octets: _escaped(octets, _SAFE_ONES + b"\t"),
    "no_space": lambda octets: _escaped(octets, _SAFE_ONES + b" "),
    "allenc": _escaped,
    "allenc-cont": lambda octets: _escaped(octets, most=4),
    "cont": lambda octets: _escaped(octets, _SAFE_ONES, most=2),
    "alnum": lambda octets: _escaped(octets, _ALNUM),
    "raw": lambda octets: _escaped(octets, _RAW),
    "lower-case": lambda octets: _escaped(octets, _SAFE_ONES, form=b"=%02x"),
    "lower-case-all": lambda octets: _escaped(octets, form=b"=%02x"),
    "one-line": lambda octets: _escaped(octets, _SAFE_ONES, most=100_000),
    "long-lines": lambda octets: _escaped(octets, _SAFE_ONES, most=400),
    "last-hard": lambda octets: _escaped(octets, _SAFE_ONES, last=b"\r\n"),
    "last-sign": lambda octets: _escaped(octets, _SAFE_ONES, last=b"="),
    "last-none": lambda octets: _escaped(octets, _SAFE_ONES, last=b""),
    "soft-line-feed": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"=\n"),
    "soft-carriage-return": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"=\r"),
    "soft-two-carriage-returns": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"=\r\r\n"),
    "soft-blank": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"= \r\n"),
    "soft-tab": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"=\t\r\n"),
    "soft-blanks": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"= \t \r\n"),
    "soft-blank-line-feed": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"= \n"),
    "soft-many": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"=\r\n" * 5),
    "soft-two-signs": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"==\r\n"),
    "soft-form-feed": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"=\f\r\n"),
    "soft-junk": lambda octets: _escaped(octets, _SAFE_ONES, soft=b"=!\r\n"),
    "soft-within": lambda octets: b"".join(b"=%02X" % each for each in octets).replace(b"=0", b"==\r\n0"),
    "soft-within-escape": lambda octets: _escaped(octets, _SAFE_ONES).replace(b"=0", b"=0=\r\n"),
    "sign-twice": lambda octets: _escaped(octets, _SAFE_ONES, form=b"==%02X"),
    "blank-within": lambda octets: _escaped(octets, _SAFE_ONES, form=b"= %02X"),
    "invalid-first": lambda octets: b"=ZZ" + _escaped(octets, _SAFE_ONES),
    "invalid-strewn": lambda octets: _escaped(octets, _SAFE_ONES).replace(b"=00", b"=ZZ=00"),
    "invalid-half": lambda octets: _escaped(octets, _SAFE_ONES).replace(b"=00", b"=0=00"),
    "invalid-line-first": lambda octets: b"=\r\n=XY=\r\n" + _escaped(octets, _SAFE_ONES),
    "empty-line-first": lambda octets: b"=\r\n\r\n=\r\n" + _escaped(octets, _SAFE_ONES),
    "blanks-last": lambda octets: _escaped(octets, _SAFE_ONES, last=b"  \r\n"),
    "dots": lambda octets: _escaped(octets, _SAFE_ONES + b"."),
    "underscores": lambda octets: _escaped(octets, _SAFE_ONES).replace(b"=20", b"_"),
    "nul-strewn": lambda octets: _escaped(octets, _SAFE_ONES).replace(b"=00", b"\0"),
    "high-bit": lambda octets: _escaped(octets, bytes(range(128, 256))),
}


def _uu(octets: bytes) -> bytes:
    return b"".join(b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45)).replace(b"\n", b"\r\n")


_BEGIN, _END = b"begin 644 eicar.zip\r\n", b"`\r\nend\r\n"
UUENCODE: dict[str, Encoder] = {
    "basic": lambda octets: _BEGIN + _uu(octets) + _END,
    "backticks": lambda octets: _BEGIN + _uu(octets).replace(b" ", b"`") + _END,
    "no-begin": lambda octets: _uu(octets) + _END,
    "no-end": lambda octets: _BEGIN + _uu(octets),
    "bare": _uu,
    "text-first": lambda octets: b"A file:\r\n\r\n" + _BEGIN + _uu(octets) + _END,
    "begin-short-mode": lambda octets: b"begin 0 eicar.zip\r\n" + _uu(octets) + _END,
    "begin-long-mode": lambda octets: b"begin 0100644 eicar.zip\r\n" + _uu(octets) + _END,
    "begin-nameless": lambda octets: b"begin 644 \r\n" + _uu(octets) + _END,
    "begin-modeless": lambda octets: b"begin eicar.zip\r\n" + _uu(octets) + _END,
    "begin-upper": lambda octets: b"BEGIN 644 eicar.zip\r\n" + _uu(octets) + _END,
    "begin-two-blanks": lambda octets: b"begin  644  eicar.zip\r\n" + _uu(octets) + _END,
    "begin-indented": lambda octets: b" begin 644 eicar.zip\r\n" + _uu(octets) + _END,
    "begin-quoted": lambda octets: b'begin 644 "eicar.zip"\r\n' + _uu(octets) + _END,
    "begin-twice": lambda octets: _BEGIN + _BEGIN + _uu(octets) + _END,
    "checksums": lambda octets: _BEGIN + _uu(octets).replace(b"\r\n", b"A\r\n") + _END,
    "stripped": lambda octets: _BEGIN + b"".join(one.rstrip() + b"\r\n" for one in _uu(octets).split(b"\r\n")) + _END,
    "line-feeds": lambda octets: (_BEGIN + _uu(octets) + _END).replace(b"\r", b""),
    "carriage-returns": lambda octets: (_BEGIN + _uu(octets) + _END).replace(b"\n", b""),
    "junk-line": lambda octets: _BEGIN + b"this is no line\r\n" + _uu(octets) + _END,
    "junk-line-within": lambda octets: _BEGIN + _uu(octets[:45]) + b"this is no line\r\n" + _uu(octets[45:]) + _END,
    "end-within": lambda octets: _BEGIN + _uu(octets[:45]) + b"end\r\n" + _uu(octets[45:]) + _END,
    "empty-lines": lambda octets: _BEGIN + _uu(octets).replace(b"\r\n", b"\r\n\r\n") + _END,
    "short-lines": lambda octets: (
        _BEGIN + b"".join(b2a_uu(octets[at : at + 3]) for at in range(0, len(octets), 3)) + _END
    ),
    "base64": lambda octets: b"begin-base64 644 eicar.zip\r\n" + _plain(octets) + b"====\r\n",
}
_YBEGIN, _YEND = b"=ybegin line=128 size=%d name=eicar.zip\r\n", b"=yend size=%d\r\n"
YENC: dict[str, Encoder] = {
    "basic": lambda octets: _YBEGIN % len(octets) + yenc_lines(octets) + _YEND % len(octets),
    "bare": yenc_lines,
    "no-end": lambda octets: _YBEGIN % len(octets) + yenc_lines(octets),
    "part": lambda octets: (
        _YBEGIN.replace(b"line", b"part=1 line") % len(octets)
        + b"=ypart begin=1 end=%d\r\n" % len(octets)
        + yenc_lines(octets)
        + _YEND % len(octets)
    ),
    "text-first": lambda octets: b"A file:\r\n" + _YBEGIN % len(octets) + yenc_lines(octets) + _YEND % len(octets),
}
_INTRODUCTION = b"(This file must be converted with BinHex 4.0)\r\n\r\n"
BINHEX: dict[str, Encoder] = {
    "basic": lambda octets: _INTRODUCTION + binhex_text(b"eicar.zip", octets),
    "bare": lambda octets: binhex_text(b"eicar.zip", octets),
    "text-first": lambda octets: b"A file:\r\n" + _INTRODUCTION + binhex_text(b"eicar.zip", octets),
}
BODIES = {
    b"base64": BASE64,
    b"quoted-printable": QUOTED_PRINTABLE,
    b"x-uuencode": UUENCODE,
    b"x-yenc": YENC,
    b"x-binhex": BINHEX,
}
