# SPDX-License-Identifier: GPL-3.0-or-later
"""Who looks into what: the modules that know a format, by amavis' short names. One line for a new one."""

from collections.abc import Iterator

from milterguard.core.part import Flag
from milterguard.unpack import archive, arj, document, textual, zipdir
from milterguard.unpack.quota import Quota
from milterguard.unpack.source import Find, Look, Note, Source

UNOPENED = frozenset(
    {"lzo", "lrz", "F", "arc", "zoo", "ace", "sit", "szdd", "alz", "egg", "installshield", "wim", "vhd", "vhdx"}
    | {"vmdk", "qcow", "dmg", "squashfs", "chm", "sis", "applesingle"}
)
"""Kinds that hold files and that nobody here opens."""


def unopened(source: Source, _quota: Quota) -> Iterator[Find]:
    """Say that it is a container that stays closed."""
    kinds = ", ".join(sorted(UNOPENED & set(source.kinds)))
    yield Note(frozenset({Flag.UNDECODABLE}), f"{kinds}: a kind that is not opened here")


LOOKS: tuple[tuple[frozenset[str], Look], ...] = (
    (frozenset({"zip"}), zipdir.look),
    (frozenset({"arj"}), arj.look),
    (archive.ARCHIVES - {"zip"}, archive.look),
    (archive.COMPRESSIONS, archive.look_compressed),
    (textual.KINDS, textual.look),
    *document.LOOKS,
    (UNOPENED, unopened),
)


def looks_for(kinds: tuple[str, ...]) -> tuple[Look, ...]:
    """Return all who look into a thing of these kinds, in order; it may be several things at once."""
    found = tuple(look for these, look in LOOKS if not these.isdisjoint(kinds))
    if not found and not {"exe", "dll"}.isdisjoint(kinds):
        return (archive.look,)
    return found
