# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes values again of what ``core/evidence.py`` wrote down, so that a message can be decided again (D10).

*Source:* ours. *Errors:* Forgotten, for a document that does not hold what deciding needs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client
from milterguard.core.evidence import EVIDENCE_VERSION
from milterguard.core.finding import Category, Finding
from milterguard.core.part import Flag, Part, Tree

_CATEGORIES = {category.word: category for category in Category}
_CLIENT = ("helo", "login", "mechanism", "tls", "daemon", "socket", "certificate", "issuer")


class Forgotten(ValueError):  # noqa: N818  (counted by who decides again)
    """A document is of an older version, or damaged."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a message."""

    client: Client
    sender: str
    parameters: tuple[str, ...]
    recipients: tuple[tuple[str, tuple[str, ...]], ...]
    authors: tuple[str, ...]
    findings: tuple[Finding, ...]
    tree: Tree | None
    """None where not all of it was written down: then no rule can be asked about it."""
    size: int


def recalled(document: Mapping[str, Any]) -> Memory:
    """Return what a document tells. Raises Forgotten."""
    if document.get("version") != EVIDENCE_VERSION:
        raise Forgotten("of an older version")
    try:
        return Memory(
            client=_client(document),
            sender=_text(document["sender"]),
            parameters=_texts(document["parameters"]),
            recipients=tuple((_text(each["recipient"]), _texts(each["parameters"])) for each in document["outcomes"]),
            authors=_texts(document["authors"] or ()),
            findings=tuple(_finding(each) for each in document["findings"]),
            tree=_tree(document),
            size=document["size_bytes"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Forgotten(f"damaged: {type(error).__name__}") from error


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError
    return said


def _texts(said: Iterable[object]) -> tuple[str, ...]:
    return tuple(map(_text, said))


def _client(document: Mapping[str, Any]) -> Client:
    said = {name: document[name] for name in _CLIENT}
    address, port, name = (document[f"client_{key}"] for key in ("address", "port", "name"))
    return Client(address=_text(address), port=port, name=name, **said)


def _finding(said: Mapping[str, Any]) -> Finding:
    destiny, on_failure = said["destiny"], said["on_failure"]
    return Finding(
        said["check"],
        _CATEGORIES[said["category"]],
        said["minor"],
        said["detail"],
        score=said["score"],
        tests=tuple((name, points) for name, points in said["tests"]),
        autolearn=said["autolearn"],
        on_failure=Destiny(on_failure) if on_failure else Destiny.TEMPFAIL,
        part=said["part"],
        rule=said["rule"],
        rules=None if said["rules"] is None else tuple(said["rules"]),
        destiny=Destiny(destiny) if destiny else None,
        result=said.get("result", ""),
        properties=tuple((_text(name), _text(value)) for name, value in said.get("properties", ())),
        size=said["size"],
        is_on_trial=said["is_on_trial"],
        server=said["server"],
        seconds=said["seconds"],
    )


def _tree(document: Mapping[str, Any]) -> Tree | None:
    """Return the parts in the order in which they were found; None where something was left out."""
    parts = document["parts"]
    if not parts or document["parts_left_out"] or not all(part["is_whole"] for part in parts):
        return None
    ordered = sorted(parts, key=lambda part: int(part["number"]))
    places = {part["placement"]: index for index, part in enumerate(ordered)}
    return tuple(_part(part, places.get(part["placement"].rpartition("/")[0], -1)) for part in ordered)


def _part(said: Mapping[str, Any], parent: int) -> Part:
    return Part(
        said["placement"],
        parent=parent,
        types=tuple(said["types"]),
        names=tuple(said["names"]),
        kinds=tuple(said["kinds"]),
        size=said["size"],
        digest=said["sha256"],
        flags=frozenset(map(Flag, said["flags"])),
        detail=said["detail"],
        reading=said["reading"],
        is_member=said["is_member"],
    )
