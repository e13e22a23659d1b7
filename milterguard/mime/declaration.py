# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fields of a part say of its body: every type, boundary, encoding and name that some program may take.

*Source:* RFC 2045 5 and 6, RFC 2183. *Errors:* none.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from milterguard.mime import names, parameter
from milterguard.mime.ambiguity import Construct
from milterguard.mime.header import Field

_TYPE = re.compile(
    rb"[a-z0-9!#$&^_.+-]++/[a-z0-9!#$&^_.+-]++[ \t]*+"
    rb"(?:;[ \t]*+[a-z0-9-]++=(?:[a-z0-9!#$%&^_.+'/:{}|~?-]++|"
    rb"\"[^\"\\; \x00-\x1f\x7f-\xff]++(?: ++[^\"\\; \x00-\x1f\x7f-\xff]++)*+\")[ \t]*+)*+;?+[ \t]*+",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(rb";[ \t]*([a-z0-9-]+)=(?:\"([^\"]*)\"|([^; \t]+))", re.IGNORECASE)
_BCHARS = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{1,70}")
_IDENTITY = frozenset(
    (b"", b"7bit", b"8bit", b"binary", b"7-bit", b"8-bit", b"none", b"7bits", b"8bits", b"bit8", b"bit7")
)
_ENCODINGS = {
    b"base64": "base64",
    b"quoted-printable": "quoted-printable",
    b"x-uuencode": "uuencode",
    b"x-uue": "uuencode",
    b"uuencode": "uuencode",
    b"uue": "uuencode",
    b"x-uu": "uuencode",
    b"x-yenc": "yenc",
    b"yenc": "yenc",
    b"binhex": "binhex",
    b"x-binhex": "binhex",
    b"binhex40": "binhex",
    b"x-binhex40": "binhex",
    b"mac-binhex40": "binhex",
    b"x-mac-binhex40": "binhex",
}
_HINTS = (
    (b"base64", "base64"),
    (b"b64", "base64"),
    (b"quoted", "quoted-printable"),
    (b"printable", "quoted-printable"),
    (b"uue", "uuencode"),
    (b"yenc", "yenc"),
    (b"binhex", "binhex"),
)
_NOT_ALNUM = bytes(octet for octet in range(256) if not chr(octet).isalnum() or octet > 127)
_MAX_BOUNDARIES = 8


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is said of a body; the first of each is by the book."""

    types: tuple[str, ...] = ()
    boundaries: tuple[bytes, ...] = ()
    encodings: tuple[str, ...] = ("identity",)
    names: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()
    is_attachment: bool = False
    has_type: bool = False
    is_untyped: bool = False
    """There is a Content-Type, and it is empty."""


def declare(fields: Iterable[Field], default: str) -> Declaration:
    """Return what some fields say; ``default`` is the type of a part that declares none."""
    values: dict[bytes, list[bytes]] = {}
    for field in fields:
        values.setdefault(field.name, []).append(field.value)
    if not values:
        return Declaration((default,))
    oddities: dict[str, None] = {}
    types, boundaries = _types(values.get(b"content-type", []), oddities)
    dispositions = values.get(b"content-disposition", [])
    for boundary in _disposed(dispositions, oddities):
        boundaries.setdefault(boundary)
    encodings = _encodings(values.get(b"content-transfer-encoding", []), oddities)
    return Declaration(
        tuple(types) or (default,),
        tuple(boundaries)[:_MAX_BOUNDARIES],
        encodings,
        _names(values),
        tuple(oddities),
        any(not value.lower().startswith(b"inline") for value in dispositions),
        b"content-type" in values,
        not all(values.get(b"content-type", [b"x"])),
    )


def _types(values: list[bytes], oddities: dict[str, None]) -> tuple[dict[str, None], dict[bytes, None]]:
    types: dict[str, None] = {}
    boundaries: dict[bytes, None] = {}
    if len(values) > 1:
        oddities.setdefault(Construct.TWO_TYPES if len(set(values)) > 1 else Construct.SAME_TYPE_TWICE)
    for value in values[:_MAX_BOUNDARIES]:
        simple = _simple(value)
        if simple is not None:
            types.setdefault(simple[0])
            if simple[1]:
                boundaries.setdefault(simple[1])
        else:
            parsed = parameter.parse(value)
            types.update(dict.fromkeys(main.decode("latin-1") for main in parsed.mains))
            boundaries.update(dict.fromkeys(_boundaries(parsed)))
            oddities.update(dict.fromkeys(parsed.oddities))
    return types, boundaries


def _simple(value: bytes) -> tuple[str, bytes] | None:
    """Return type and boundary of a value that every program reads the same way, else None."""
    if len(value) > 2000 or not _TYPE.fullmatch(value):
        return None
    attributes = [(name.lower(), quoted or plain) for name, quoted, plain in _ATTRIBUTE.findall(value)]
    found = dict(attributes)
    boundary = found.get(b"boundary", b"")
    if len(found) < len(attributes) or b"=?" in boundary or (boundary and not _BCHARS.fullmatch(boundary)):
        return None
    return value.partition(b";")[0].strip().lower().decode("latin-1"), boundary


def _boundaries(parsed: parameter.Parameters) -> list[bytes]:
    """Return every boundary of a parsed value; the programs that do not strip blanks are heard too."""
    found = [value.encode("latin-1", "ignore") for value in parsed.values.get("boundary", ())]
    return list(dict.fromkeys([*filter(None, found), *(one.strip() for one in found)]))


def _disposed(values: list[bytes], oddities: dict[str, None]) -> list[bytes]:
    if len(set(values)) > 1:
        oddities.setdefault(Construct.TWO_DISPOSITIONS)
    found: list[bytes] = []
    for value in values[:_MAX_BOUNDARIES]:
        if b"boundary" in value.lower():
            boundaries = _boundaries(parameter.parse(value))
            if boundaries:
                oddities.setdefault(Construct.BOUNDARY_IN_DISPOSITION)
            found += boundaries
    return found


def _encodings(values: list[bytes], oddities: dict[str, None]) -> tuple[str, ...]:
    if not values:
        return ("identity",)
    found: dict[str, None] = {}
    for value in values[:_MAX_BOUNDARIES]:
        found.update(dict.fromkeys(_encoding(value.strip().lower(), oddities)))
    if len(values) > 1:
        oddities.setdefault(Construct.TWO_ENCODINGS if len(found) > 1 else Construct.SAME_ENCODING_TWICE)
    return tuple(found)


def _encoding(word: bytes, oddities: dict[str, None]) -> list[str]:
    if word in _IDENTITY:
        return ["identity"]
    if word in _ENCODINGS:
        return [_ENCODINGS[word]]
    letters = word.translate(None, _NOT_ALNUM)
    hinted = [encoding for hint, encoding in _HINTS if hint in letters]
    if hinted:
        oddities.setdefault(Construct.GARBLED_ENCODING)
        return ["identity", *dict.fromkeys(hinted)]
    oddities.setdefault(Construct.UNKNOWN_ENCODING)
    return ["identity"]


def _names(values: dict[bytes, list[bytes]]) -> tuple[str, ...]:
    dispositions = values.get(b"content-disposition", [])
    types = [value for value in values.get(b"content-type", []) if b"name" in value.lower()]
    # Thunderbird takes Content-Name, which no standard knows, where there is no other name.
    wholes = values.get(b"content-description", []) + values.get(b"content-name", [])
    if not (types or wholes or any(b"=" in value for value in dispositions)):
        return ()
    return names.candidates(dispositions, types, wholes)
