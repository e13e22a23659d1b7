# SPDX-License-Identifier: GPL-3.0-or-later
"""The torture messages of Apache James mime4j, their trees and their decoded parts."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.data import DATA
from tests.mime.message import walked

_FILES = sorted((DATA / "mime" / "mime4j").glob("*/*.msg"))
_CONTAINERS = {"body": "leaf", "multipart": "multipart", "message": "message"}

_CUT_BY_MTA = "an MTA ends the header at the first line that is no field, before we see it"
DIFFERENCES = {
    "frag": "the last group of the base64 is not whole; we keep the octets that it still holds",
    "hdr-fakeout": "a line of blanks ends the header for us when what follows is no field",
    "multi-bad": "two Content-Types; we read the body as a text as well",
    "basic-plain-with-bad-header-separator": "a line of blanks ends the header for us when what follows is no field",
    "malformedHeader-nocrlfcrlf": _CUT_BY_MTA,
    "malformedHeaderStartsBody-nocrlfcrlf": _CUT_BY_MTA,
    "malformedHeaderStartsBody-noheader": _CUT_BY_MTA,
}
"""Where we see another tree or other octets than mime4j, and why that is meant."""


def _expected(entity: ET.Element, placement: str) -> dict[str, str]:
    """Return kind by placement, as mime4j counts: a message in a message is a level of its own."""
    found: dict[str, str] = {}
    todo = [(entity, placement)]
    while todo:
        node, place = todo.pop()
        for child in node:
            if child.tag not in _CONTAINERS:
                continue
            found[place] = _CONTAINERS[child.tag]
            if child.tag == "message":
                todo.append((child, f"{place}/1"))
            elif child.tag == "multipart":
                parts = [part for part in child if part.tag == "body-part"]
                todo += [(part, f"{place}/{number}") for number, part in enumerate(parts, 1)]
    return found


def _differences(file: Path) -> list[str]:
    found = walked(file.read_bytes())
    ours: dict[str, str] = {}
    octets: dict[str, bytes] = {}
    for index, entity in enumerate(found.entities):
        if entity.reading:
            continue
        kind = (entity.types[0] if entity.types else "").partition("/")[0]
        ours[entity.placement] = "leaf" if entity.is_leaf else kind
        octets[entity.placement] = b"".join(found.octets(index)) if entity.is_leaf else b""
    xml = re.sub(r"[^\t\n\x20-\xff]", "?", file.with_suffix(".xml").read_text("latin-1"))
    expected = _expected(ET.fromstring(xml), "1")
    words = [f"{place}: {ours.get(place)} for {kind}" for place, kind in expected.items() if ours.get(place) != kind]
    words += [f"{place}: {kind} too many" for place, kind in ours.items() if place not in expected]
    for decoded in sorted(file.parent.glob(f"{file.stem}_decoded_*")):
        place = decoded.stem.removeprefix(f"{file.stem}_decoded_").replace("_", "/")
        theirs = decoded.read_bytes()
        mine = octets.get(place, b"")
        if mine.replace(b"\r\n", b"\n") != theirs.replace(b"\r\n", b"\n"):
            words.append(f"{place}: other octets")
    return words


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_trees_agree_with_those_of_mime4j(file: Path) -> None:
    """The tree and the octets of its leaves are mime4j's, or the difference is explained; no explanation is idle."""
    assert bool(_differences(file)) == (file.stem in DIFFERENCES), _differences(file)
