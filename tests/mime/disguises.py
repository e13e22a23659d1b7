# SPDX-License-Identifier: GPL-3.0-or-later
"""Every odd way to write a part's encoding: the field that names it, and the octets themselves.

*Source:* the dimensions of noxxi's mime-is-broken and of MIMEminer, as their samples' names tell them.
"""

from base64 import b64encode
from binascii import b2a_uu
from collections.abc import Callable, Iterable

from tests.mime.encoder import binhex_text, lines, yenc_lines

Encoder = Callable[[bytes], bytes]
_FIELD = b"Content-Transfer-Encoding"

# ``@W`` stands for the encoding's word. Line feeds are CRLF in the message.
FIELDS = {
    "basic": _FIELD + b": @W",
    "fold": _FIELD + b":\n @W",
    "2fold": _FIELD + b":\n \n @W",
    "fold-tab": _FIELD + b":\n\t@W",
    "fold-behind": _FIELD + b": @W\n ",
    "nospace": _FIELD + b":@W",
    "tab": _FIELD + b":\t@W",
    "blanks": _FIELD + b":" + b" " * 500 + b"@W",
    "blank-last": _FIELD + b": @W \t",
    "upper": _FIELD.upper() + b": @W",
    "semicolon": _FIELD + b": @W;",
    "semicolon-first": _FIELD + b": ;@W",
    "parameter": _FIELD + b": @W; x=y",
    "parameter-first": _FIELD + b": 7bit; @W",
    "comma": _FIELD + b": @W, 7bit",
    "comma-first": _FIELD + b": 7bit, @W",
    "word": _FIELD + b": @W 7bit",
    "word-first": _FIELD + b": 7bit @W",
    "junk": _FIELD + b": @W!",
    "junk-joined": _FIELD + b": @Wx",
    "junk-joined-first": _FIELD + b": x@W",
    "x": _FIELD + b": x-@W",
    "dot": _FIELD + b": @W.",
    "colon": _FIELD + b": : @W",
    "quoted": _FIELD + b': "@W"',
    "unclosed-quote": _FIELD + b': "@W',
    "single-quoted": _FIELD + b": '@W'",
    "angle-brackets": _FIELD + b": <@W>",
    "comment": _FIELD + b": @W (x)",
    "comment-joined": _FIELD + b": @W(x)",
    "comment-first": _FIELD + b": (x) @W",
    "comment-first-word": _FIELD + b": (7bit) @W",
    "comment-only": _FIELD + b": (@W)",
    "comment-unclosed": _FIELD + b": @W (x",
    "encoded-word": _FIELD + b": =?us-ascii?Q?@W?=",
    "encoded-word-base64": _FIELD + b": =?us-ascii?B?@E?=",
    "nul": _FIELD + b": @W\0",
    "nul-first": _FIELD + b": \0@W",
    "8bit": _FIELD + b": @W\xa0",
    "8bit-first": _FIELD + b": \xa0@W",
    "control": _FIELD + b": @W\x01",
    "form-feed": _FIELD + b": \f@W",
    "backslash": _FIELD + b": \\@W",
    "carriage-return": _FIELD + b": @W\r",
    "within-fold": _FIELD + b": @L\n @R",
    "within-blank": _FIELD + b": @L @R",
    "within-comment": _FIELD + b": @L(x)@R",
    "within-nul": _FIELD + b": @L\0@R",
    "within-quote": _FIELD + b': @L"@R"',
    "within-backslash": _FIELD + b": @L\\@R",
    "within-8bit": _FIELD + b": @L\xad@R",
    "half": _FIELD + b": @L",
    "twice": _FIELD + b": @W\n" + _FIELD + b": @W",
    "twice-7bit-first": _FIELD + b": 7bit\n" + _FIELD + b": @W",
    "twice-7bit-last": _FIELD + b": @W\n" + _FIELD + b": 7bit",
    "twice-other-first": _FIELD + b": @O\n" + _FIELD + b": @W",
    "twice-other-last": _FIELD + b": @W\n" + _FIELD + b": @O",
    "twice-unknown-first": _FIELD + b": x-any\n" + _FIELD + b": @W",
    "twice-unknown-last": _FIELD + b": @W\n" + _FIELD + b": x-any",
    "twice-empty-first": _FIELD + b":\n" + _FIELD + b": @W",
    "twice-empty-last": _FIELD + b": @W\n" + _FIELD + b":",
    "name-blank": _FIELD + b" : @W",
    "name-tab": _FIELD + b"\t: @W",
    "name-no-colon": _FIELD + b" @W",
    "name-two-colons": _FIELD + b":: @W",
    "name-colon-first": b":" + _FIELD + b": @W",
    "name-semicolon": _FIELD + b"; @W",
    "name-underscores": b"Content_Transfer_Encoding: @W",
    "name-no-hyphens": b"ContentTransferEncoding: @W",
    "name-comment": _FIELD + b"(x): @W",
    "name-comment-within": b"Content-(x)Transfer-Encoding: @W",
    "name-nul": _FIELD + b"\0: @W",
    "name-8bit": _FIELD + b"\xa0: @W",
    "name-quoted": b'"' + _FIELD + b'": @W',
    "name-folded": b"Content-\n Transfer-Encoding: @W",
    "name-colon-folded": _FIELD + b"\n : @W",
    "name-encoded-word": b"=?us-ascii?Q?" + _FIELD + b"?=: @W",
    "name-half": b"Content-Transfer: @W",
    "name-typo": b"Content-Tranfer-Encoding: @W",
    "name-x": b"X-" + _FIELD + b": @W",
    "name-content-encoding": b"Content-Encoding: @W",
    "name-encoding": b"Encoding: @W",
    "fold-first": b" " + _FIELD + b": @W",
    "fold-field": b"X-Any: thing\n " + _FIELD + b": @W",
    "behind-junk": b"junk\n" + _FIELD + b": @W",
    "behind-blanks": b" \n" + _FIELD + b": @W",
    "behind-empty-line": b"X-Any: thing\n\n" + _FIELD + b": @W",
    "behind-carriage-return": b"X-Any: thing\r" + _FIELD + b": @W",
    "behind-many-fields": b"".join(b"X-%d: y\n" % number for number in range(400)) + _FIELD + b": @W",
    "unknown": _FIELD + b": x-any",
    "identity": _FIELD + b": 7bit",
    "8bit-word": _FIELD + b": 8bit",
    "binary": _FIELD + b": binary",
    "empty": _FIELD + b":",
    "none": b"",
}
HEADS = {
    "octets": b'Content-Type: application/octet-stream\nContent-Disposition: attachment; filename="eicar.zip"\n@C\n\n',
    "encoding-first": b'@C\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename="a.zip"\n\n',
    "zip": b"Content-Type: application/zip; name=eicar.zip\n@C\n\n",
    "text": b"Content-Type: text/plain\n@C\n\n",
    "named-text": b"Content-Type: text/plain; name=eicar.zip\n@C\n\n",
    "html": b"Content-Type: text/html\n@C\n\n",
    "image": b"Content-Type: image/png; name=a.png\n@C\n\n",
    "untyped": b"@C\n\n",
    "disposed": b"Content-Disposition: attachment; filename=eicar.zip\n@C\n\n",
    "two-types": b"Content-Type: text/plain\nContent-Type: application/octet-stream\n@C\n\n",
    "garbled-type": b"Content-Type: application octet-stream\n@C\n\n",
    "empty-type": b"Content-Type:\n@C\n\n",
    "calendar": b"Content-Type: text/calendar\n@C\n\n",
    "pgp": b"Content-Type: application/pgp-signature\n@C\n\n",
    "delivery-status": b"Content-Type: message/delivery-status\n@C\n\n",
    "partial": b"Content-Type: message/partial; id=x; number=1; total=2\n@C\n\n",
    "external": b"Content-Type: message/external-body; access-type=x\n@C\n\n",
}


def head(kind: str, field: str, word: bytes) -> bytes:
    """Return a part's header with its empty line: ``kind`` of ``HEADS``, ``field`` of ``FIELDS``."""
    half = len(word) // 2
    marks = {
        b"@W": word,
        b"@E": b64encode(word),
        b"@L": word[:half],
        b"@R": word[half:],
        b"@O": b"quoted-printable" if word == b"base64" else b"base64",
    }
    made = HEADS[kind].replace(b"@C\n", FIELDS[field] + b"\n" if FIELDS[field] else b"")
    for mark, octets in marks.items():
        made = made.replace(mark, octets)
    return made.replace(b"\n", b"\r\n")


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
    **{f"linelen-{length}": lambda octets, length=length: _cut(octets, (length,)) for length in (1, 3, 4, 5, 7)},  # type: ignore[misc]
    **{f"linelen-{length}": lambda octets, length=length: _cut(octets, (length,)) for length in (60, 72, 75, 77)},  # type: ignore[misc]
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
    **{f"chunks-{size}": lambda octets, size=size: _chunked(octets, size) for size in (1, 2, 10, 50)},  # type: ignore[misc]
    "chunks-in-lines": lambda octets: _chunked(octets, 10, glue=b"\r\n"),
    "chunks-of-16-in-lines": lambda octets: _chunked(octets, 16, glue=b"\r\n"),
    "padded-first": lambda octets: b64encode(octets[:1]) + b"\r\n" + _plain(octets[1:]),
    "padded-first-joined": lambda octets: lines(b64encode(octets[:1]) + b64encode(octets[1:]), 76),
    "padded-last": lambda octets: _plain(octets[:100]) + _plain(octets[100:]),
    "equals-first": lambda octets: _at(octets, 0, b"="),
    "equals-first-4": lambda octets: _at(octets, 0, b"===="),
    "equals-line-first": lambda octets: b"====\r\n" + _plain(octets),
    **{f"equals-at-{place}": lambda octets, place=place: _at(octets, place, b"=") for place in (1, 2, 3, 4)},  # type: ignore[misc]
    "equals-3-at-1": lambda octets: _at(octets, 1, b"==="),
    "equals-2-at-2": lambda octets: _at(octets, 2, b"=="),
    "equals-2-at-40": lambda octets: _at(octets, 40, b"=="),
    "equals-4-at-40": lambda octets: _at(octets, 40, b"===="),
    "equals-everywhere": lambda octets: _strewn(octets, b"="),
    "equals-between-fours": lambda octets: _strewn(octets, b"=", 4),
    "equals-between-letters": lambda octets: _strewn(octets, b"=", 1),
    "soft-breaks": lambda octets: _line_wise(octets, b"", b"="),
    "as-qp": lambda octets: _plain(octets).replace(b"=", b"=3D"),
    **{f"junk-{junk.hex()}": lambda octets, junk=junk: _strewn(octets, junk) for junk in (b"!", b"*", b"#", b",", b".")},  # type: ignore[misc]
    **{f"junk-{junk.hex()}": lambda octets, junk=junk: _strewn(octets, junk) for junk in (b"-", b"_", b"\0", b"\xff")},  # type: ignore[misc]
    **{f"junk-{junk.hex()}": lambda octets, junk=junk: _strewn(octets, junk) for junk in (b"\x80\xa0", b"-_!", b"<>")},  # type: ignore[misc]
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
    **{f"high-bit-{every}": lambda octets, every=every: _high(octets, every) for every in (1, 2, 7, 78)},  # type: ignore[misc]
    "utf-16": lambda octets: _plain(octets).decode().encode("utf-16"),
    "utf-16be": lambda octets: _plain(octets).decode().encode("utf-16-be"),
}


def _escaped(
    octets: bytes, plain: bytes = b"", *, form: bytes = b"=%02X", most: int = 76, soft: bytes = b"=\r\n", last: bytes = b"=\r\n"
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
    "short-lines": lambda octets: _BEGIN + b"".join(b2a_uu(octets[at : at + 3]) for at in range(0, len(octets), 3)) + _END,
    "base64": lambda octets: b"begin-base64 644 eicar.zip\r\n" + _plain(octets) + b"====\r\n",
}
_YBEGIN, _YEND = b"=ybegin line=128 size=%d name=eicar.zip\r\n", b"=yend size=%d\r\n"
YENC: dict[str, Encoder] = {
    "basic": lambda octets: _YBEGIN % len(octets) + yenc_lines(octets) + _YEND % len(octets),
    "bare": yenc_lines,
    "no-end": lambda octets: _YBEGIN % len(octets) + yenc_lines(octets),
    "part": lambda octets: _YBEGIN.replace(b"line", b"part=1 line") % len(octets)
    + b"=ypart begin=1 end=%d\r\n" % len(octets)
    + yenc_lines(octets)
    + _YEND % len(octets),
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
OTHER_WORDS = {
    b"x-uuencode": (b"uuencode", b"x-uue", b"uue", b"x-uu", b"UUENCODED"),
    b"x-yenc": (b"yenc", b"x-y-enc"),
    b"x-binhex": (b"binhex", b"mac-binhex40", b"binhex40", b"x-macbinhex40"),
    b"quoted-printable": (b"QUOTED-PRINTABLE", b"quoted_printable", b"quotedprintable", b"qp", b"q", b"x-qp"),
    b"base64": (b"BASE64", b"baSE64", b"base-64", b"base_64", b"base_64", b"base", b"b64", b"b", b"radix64", b"mime64"),
}
