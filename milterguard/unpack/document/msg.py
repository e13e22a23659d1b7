# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the attachments out of an Outlook message (.msg), those of the messages attached to it as well.

*Source:* MS-OXMSG sections 2.1.3, 2.2.2; properties of MS-OXPROPS: 0x3701 data, 0x3704 and 0x3707 names.
"""

from collections.abc import Iterator

from milterguard.unpack.document.compound import STREAM, Compound, Entry
from milterguard.unpack.source import Child

_ATTACHMENT = "__attach_version1.0_#"
_PROPERTY = "__substg1.0_"
_DATA = "37010102"
_NAMES = ("3707", "3704", "3001")
_LONGEST_NAME = 4096


def attachments_in(compound: Compound) -> Iterator[Child]:
    """Yield every attachment that is a file, on whatever level of nested messages."""
    found: dict[tuple[str, ...], dict[str, Entry]] = {}
    for entry in compound.streams():
        folder, name = "".join(entry.path[-2:-1]).lower(), entry.name.lower()
        if folder.startswith(_ATTACHMENT) and name.startswith(_PROPERTY):
            found.setdefault(entry.path[:-1], {})[entry.name[len(_PROPERTY) :].upper()] = entry
    for properties in found.values():
        data = properties.get(_DATA)
        if data is not None and data.kind == STREAM:
            yield Child(names_of(compound, properties), compound.blocks(data), data.size)


def names_of(compound: Compound, properties: dict[str, Entry]) -> tuple[str, ...]:
    """Return the names of an attachment: long, short, shown."""
    found: dict[str, None] = {}
    for tag in _NAMES:
        for kind, encoding in (("001F", "utf-16-le"), ("001E", "cp1252")):
            if (entry := properties.get(tag + kind)) is not None:
                found[compound.read(entry, _LONGEST_NAME).decode(encoding, "replace").rstrip("\0")] = None
    return tuple(filter(None, found))
