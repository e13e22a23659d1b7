# SPDX-License-Identifier: GPL-3.0-or-later
"""What one entry of the settings, of a table or of a directory says about a recipient.

Layers are laid over each other, the closest on top: of each setting the topmost one that says
something decides. Settings that add up (sets of rules, lists of senders) and tables by category are
put together from all of them.

*Source:* amavis: first defined answer wins; SQL is asked first, then LDAP, then the static tables.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from milterguard.core.by_category import by_category
from milterguard.core.policy import OnTrial, Policy

ADDED_UP = ("banned_rules", "deny_senders", "allow_senders", "score_senders")
"""Sequences: the closest layer's entries come first, those of ``[policy]`` last."""
SHADOW = " (shadow)"
"""Behind the name of a setting: the origin is that of a value on trial."""
MERGED = ("subject_tag", "addr_extension", "addr_rewrite", "always_bcc", "quarantine_to")
"""Tables by category: of each category the closest entry holds (amavis: hashes are merged by key)."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One entry. The same one only if it is the same object: lists of senders are long to compare."""

    settings: tuple[tuple[str, object], ...]
    """Policy keys and values; a value in ``OnTrial`` is watched and not followed."""
    origin: str
    """Where that stands, for people: ``@example.com, /etc/…: [[recipient]] 2``, ``SQL users.id 7 (@example.com)``."""
    is_local: bool | None = None
    """Whether it says that the recipient is ours (amavis: column ``local``); None when it says nothing."""
    replaces: bool = False
    """What adds up begins anew with it: a bank says all there is, to which entries for recipients add."""
    rid: int | None = None
    """amavis' ``users.id``, under which ``wblist`` has the recipient's senders."""


@dataclass(frozen=True, slots=True)
class SenderEntry:
    """One row of amavis' ``wblist``, with the address of its ``mailaddr``."""

    rid: int
    key: str
    """``mailaddr.email``: ``user@example.com``, ``@.example.com`` …"""
    priority: int
    """``mailaddr.priority``; the highest is asked first."""
    wb: str
    """W, Y, T: allowed. B, N, F: denied. Blank: neither, and no further. A number: points."""


class Source(Protocol):
    """A database or directory that knows recipients."""

    def layers(self, address: str, *, sender: str, is_local: bool) -> tuple[Layer, ...]:
        """Return what it says about this recipient, the closest entry first.

        ``sender`` is of the envelope: what is known of him may be asked in the same breath. ``is_local``
        is what ``local.domains`` says: without a domain a name is looked up for our own recipients only.
        When it cannot be asked, what it said last is returned and the log says so. Raises StoreError
        when it cannot be asked and never said anything.
        """
        ...

    def entries(self, rids: Sequence[int], senders: Sequence[str]) -> tuple[SenderEntry, ...]:
        """Return what ``wblist`` says about these senders to these recipients. Raises StoreError as above."""
        ...

    def close(self) -> None: ...


def composed(base: Policy, layers: Sequence[Layer]) -> tuple[Policy, Policy | None]:
    """Return the policy with these layers over it, the closest first; and what it would be with everything on trial."""
    is_tried = any(isinstance(value, OnTrial) for layer in layers for _, value in layer.settings)
    in_force = _laid_over(base, [_in_force(layer) for layer in layers] if is_tried else layers)
    return in_force, _laid_over(base, [as_tried(layer) for layer in layers]) if is_tried else None


def origins(layers: Iterable[Layer]) -> tuple[tuple[str, str], ...]:
    """Return each setting that a layer gives with the layer's origin; of what adds up with all of them.

    What is on trial stands under a name of its own: ``spam_kill_level (shadow)``.
    """
    found: dict[str, str] = {}
    for layer in layers:
        for name, value in dict(layer.settings).items():
            told = f"{name}{SHADOW}" if isinstance(value, OnTrial) else name
            if told not in found:
                found[told] = layer.origin
            elif name in ADDED_UP or name in MERGED:
                found[told] += f"; {layer.origin}"
    return tuple(found.items())


def _in_force(layer: Layer) -> Layer:
    return replace(layer, settings=tuple(pair for pair in layer.settings if not isinstance(pair[1], OnTrial)))


def as_tried(layer: Layer) -> Layer:
    """Return the layer as if everything in it held; itself when nothing is on trial."""
    if not any(isinstance(value, OnTrial) for _, value in layer.settings):
        return layer
    pairs = ((name, value.value if isinstance(value, OnTrial) else value) for name, value in layer.settings)
    return replace(layer, settings=tuple(pairs))


def _laid_over(base: Policy, layers: Sequence[Layer]) -> Policy:
    given: dict[str, Any] = {}
    for layer in reversed(layers):
        for name, value in layer.settings:
            below = given.get(name, getattr(base, name))
            given[name] = value if layer.replaces and name in ADDED_UP else _put_on(name, value, below)
    return replace(base, **given) if given else base


def _put_on(name: str, value: Any, below: Any) -> object:
    if name in ADDED_UP:
        return tuple(dict.fromkeys((*value, *below)))
    if name in MERGED:
        return by_category((*below, *value))
    return value
