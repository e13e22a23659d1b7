# SPDX-License-Identifier: GPL-3.0-or-later
"""However an archive is hidden, it is found or the message is ambiguous."""

from tests.daemons import Clamd
from tests.mime.evasion import payload, variants
from tests.mime.message import ambiguities, leaves, walked

_BLANKS = "a blank within an escape makes it none for every program"
_CARRIAGE_RETURNS = "no MTA hands on lines that end with a bare CR, and no field names the encoding"
_BARE = "yEnc with neither a field nor a line that announces it is text for every program"
BEYOND = {
    "shape-nested-60_octets_quoted-printable_basic_cont": "deeper than the limit, and for that UNCHECKED",
    "multipart-basic_octets_quoted-printable_basic_blank-within": _BLANKS,
    "shape-single_octets_quoted-printable_basic_blank-within": _BLANKS,
    "shape-message_octets_quoted-printable_basic_blank-within": _BLANKS,
    "multipart-basic_text_quoted-printable_basic_blank-within": _BLANKS,
    "multipart-basic_octets_x-uuencode_none_carriage-returns": _CARRIAGE_RETURNS,
    "multipart-basic_text_x-uuencode_none_carriage-returns": _CARRIAGE_RETURNS,
    "multipart-basic_octets_x-yenc_none_bare": _BARE,
    "multipart-basic_text_x-yenc_none_bare": _BARE,
}
"""What is not found, and why that is no harm."""
_RELAYED = (
    b"Return-Path: <me@example.com>\r\n"
    b"Received: from localhost (localhost [127.0.0.1])\r\n"
    b"\tby localhost (milterguard) with ESMTP id 1;\r\n"
    b"\tSat, 21 Nov 2026 12:00:00 +0000\r\n"
)


def test_there_are_thousands_of_variants() -> None:
    """Every one has a name of its own, and all are the same in each run."""
    names = [name for name, _ in variants()]
    assert len(names) > 3500
    assert len(set(names)) == len(names)
    assert list(variants()) == list(variants())


def test_what_hides_is_among_the_leaves_or_the_message_is_ambiguous() -> None:
    """Of all variants only those explained are neither, and no explanation is idle."""
    hidden = payload()
    missed = set()
    for name, octets in variants():
        found = walked(octets)
        if not ambiguities(found) and not any(hidden in whole for _, whole in leaves(found)):
            missed.add(name)
    assert missed == set(BEYOND)


def test_clamd_finds_it_in_the_message_or_in_a_suspect_leaf(clamd: Clamd) -> None:
    """What clamd overlooks in a message that is not ambiguous is suspect; where it gives up, it is given every leaf."""
    assert clamd.scan(payload()).endswith("FOUND")
    missed = {name for name, octets in variants() if not _is_caught(clamd, octets)}
    assert missed == set(BEYOND)


def _is_caught(clamd: Clamd, octets: bytes) -> bool:
    found = walked(octets)
    if ambiguities(found):
        return True
    answer = clamd.scan(_RELAYED + octets)
    is_given_up = "Heuristics.Limits" in answer
    if answer.endswith("FOUND") and not is_given_up:
        return True
    given = [whole for entity, whole in leaves(found) if whole and (entity.is_suspect or is_given_up)]
    return any(clamd.scan(whole).endswith("FOUND") for whole in given)
