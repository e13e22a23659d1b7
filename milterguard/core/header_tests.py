# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a header section, test by test, in amavis' order.

Most header sections are in order, so one regular expression over all of it proves that first; only
when it does not match are the fields looked at one by one. Linear in the octets. Never raises.

*Source:* amavis ``check_header_validity`` and ``%allowed_header_tests``; RFC 5322 sections 2.1.1,
2.2 and 3.6; RFC 6532 (UTF-8 in values, not in names). What amavis calls control characters is NUL
and bare CR; here all others that RFC 5322 calls obsolete count too.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from milterguard.core.authors import address_count
from milterguard.core.message import Field
from milterguard.core.minor import BLANK_FOLD, CONTROL, DUPLICATE, LONG, MANY_FROM, MISSING, NON_ASCII, SYNTAX
from milterguard.core.text import ascii_printable

MOST_OF_A_KIND = 11
"""Complaints told of one minor; eight minors of that many stay below the hundred that amavis tells."""

_ONCE = (
    "Date",
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Message-ID",
    "References",
    "In-Reply-To",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Description",
    "Content-Disposition",
    "Auto-Submitted",
)
_REQUIRED = ("Date", "From")
_FROM = b"from"

_IN_ORDER = re.compile(rb"(?:(?=.{0,998}\n)(?:[!-9;-~]++[ \t]*+:|[ \t]++(?!\n))[\t -~]*+\n)*+\Z")
"""A header section of which no field needs a closer look."""
_NAME = re.compile(rb"[!-9;-~]+[ \t]*\Z")
"""With the blanks in front of the colon that RFC 822 allowed."""
_BLANK_LINE = re.compile(rb"\n[ \t]*+(?=\n|\Z)")
_LONG_LINE = re.compile(rb"^.{999,}", re.MULTILINE)
_NUL_OR_CR = re.compile(rb"[\0\r]")
_OTHER_CONTROL = re.compile(rb"[\x01-\x08\x0b-\x1f\x7f]")
_NON_ASCII = re.compile(rb"[\x80-\xff]")
_CONTROL_IN_UTF8 = re.compile(rb"[\x01-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
_CONTEXT = 24
"""Octets shown on either side of what is complained of."""
_NAME_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong with a header section."""

    minor: str
    """One of ``minor.HEADER_MINORS``."""
    detail: str
    """In our words, with an excerpt in printable ASCII: short, safe to show."""


def complaints(fields: Sequence[Field], wanted: Collection[str], *, utf8: bool = False) -> tuple[Complaint, ...]:
    """Return what the wanted tests (minors) complain of, in the order of the fields, then of the section.

    A field is complained of once, by the first test that it fails: as in amavis. Each minor is told
    ``MOST_OF_A_KIND`` times at most. With ``utf8`` valid UTF-8 counts as 8-bit too.
    """
    told: Counter[str] = Counter()
    kept: list[Complaint] = []
    for complaint in chain(_about_fields(fields, wanted, utf8=utf8), _about_section(fields, wanted)):
        told[complaint.minor] += 1
        if told[complaint.minor] <= MOST_OF_A_KIND:
            kept.append(complaint)
    return tuple(kept)


def _about_fields(fields: Sequence[Field], wanted: Collection[str], *, utf8: bool) -> Iterator[Complaint]:
    # Line by line, for a CR at the end of a value is none of its line end.
    section = b"".join([b"%b:%b\n" % (field.name, field.value.replace(b"\r\n", b"\n")) for field in fields])
    # A name of blanks would look like the fold of the field before it.
    if all(_NAME.match(field.name) for field in fields) and _IN_ORDER.match(section):
        return
    for field in fields:
        complaint = _about_field(field, wanted, utf8=utf8)
        if complaint is not None:
            yield complaint


def _about_field(field: Field, wanted: Collection[str], *, utf8: bool) -> Complaint | None:
    """Return what the first test says that the field fails."""
    octets = field.name + b":" + field.value.replace(b"\r\n", b"\n")
    name = _shown_name(field.name)
    if SYNTAX in wanted and not _NAME.match(field.name):
        return Complaint(SYNTAX, f"not a field name: {name or '(empty)'}")
    if BLANK_FOLD in wanted and _BLANK_LINE.search(octets):
        return Complaint(BLANK_FOLD, f"blank continuation line in {name}")
    if LONG in wanted and (line := _LONG_LINE.search(octets)):
        return Complaint(LONG, f"line of {len(line[0])} octets in {name}")
    if CONTROL in wanted and (found := _control(octets)):
        return Complaint(CONTROL, f"control character {_hex(found)} in {_excerpt(octets, found)}")
    if NON_ASCII in wanted and (found := _non_ascii(octets, utf8=utf8)):
        return Complaint(NON_ASCII, f"character {_hex(found)} in {_excerpt(octets, found)}")
    return None


def _control(octets: bytes) -> re.Match[bytes] | None:
    """Return a control character; those in a field with 8-bit octets are left to that test, but NUL and CR."""
    return _NUL_OR_CR.search(octets) or (_OTHER_CONTROL.search(octets) if octets.isascii() else None)


def _non_ascii(octets: bytes, *, utf8: bool) -> re.Match[bytes] | None:
    """Return an octet over 127 that is not tolerated, or a control character amid UTF-8 (C0, C1)."""
    if octets.isascii():
        return None
    if utf8 or not _is_utf8(octets):
        return _NON_ASCII.search(octets)
    return _CONTROL_IN_UTF8.search(octets)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _about_section(fields: Sequence[Field], wanted: Collection[str]) -> Iterator[Complaint]:
    # RFC 822 allowed blanks before the colon, and some readers still do: "From :" is a From field.
    names = Counter([field.name.rstrip(b" \t").lower() for field in fields])
    if MISSING in wanted:
        yield from (Complaint(MISSING, f"no {name}") for name in _REQUIRED if name.lower().encode() not in names)
    if DUPLICATE in wanted:
        counts = ((name, names[name.lower().encode()]) for name in _ONCE)
        yield from (Complaint(DUPLICATE, f"{name} {count} times") for name, count in counts if count > 1)
    if MANY_FROM in wanted and _FROM in names:
        yield from _about_authors([field.value for field in fields if field.name.rstrip(b" \t").lower() == _FROM])


def _about_authors(values: Sequence[bytes]) -> Iterator[Complaint]:
    if len(values) > 1:
        yield Complaint(MANY_FROM, f"{len(values)} From fields")
    for value in values:
        count = address_count(value)
        if count > 1:
            yield Complaint(MANY_FROM, f"{count} addresses in From")


def _hex(found: re.Match[bytes]) -> str:
    return found[0].hex().upper()


def _shown_name(name: bytes) -> str:
    return ascii_printable(name[: _NAME_LIMIT + 1].decode("latin-1"), _NAME_LIMIT)


def _excerpt(octets: bytes, found: re.Match[bytes]) -> str:
    r"""Return the field's name and the octets around what was found, others than printable ASCII as ``\x{E4}``."""
    name, _, _ = octets.partition(b":")
    start = max(len(name) + 1, found.start() - _CONTEXT)
    around = octets[start : found.end() + _CONTEXT].replace(b"\n", b"").strip(b" \t")
    cut = "..." if start > len(name) + 1 else ""
    return f"{_shown_name(name)}: {cut}{ascii_printable(around.decode('latin-1'))}"
