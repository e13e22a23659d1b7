# SPDX-License-Identifier: GPL-3.0-or-later
"""A message taken apart: its tree, what is wrong with it, and the octets that a scanner may want."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from milterguard.core.part import Problem, Tree


@dataclass(frozen=True, slots=True)
class Leaf:
    """Decoded octets of one part."""

    index: int
    """Of its part in the tree."""
    is_suspect: bool
    """A scanner given the whole message may not have seen these octets: ambiguous, odd, or out of its reach."""
    is_attachment: bool
    """Anything but the text that a mail program shows."""
    blocks: Callable[[], Iterator[bytes]]
    """Gives the octets, from the first, each time it is called. Raises ContentError when they are gone."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What came of taking a message apart."""

    tree: Tree = ()
    problems: tuple[Problem, ...] = ()
    leaves: Sequence[Leaf] = ()
    """Each octets once: no two of the same digest."""
