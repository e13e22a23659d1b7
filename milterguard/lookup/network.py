# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of clients, and whether they are in one of some networks. Never raises: an MTA may say anything.

In a list of networks the order counts: the first entry that an address is in decides, and with ``!`` before it the
address is not meant. ``file:/PATH`` stands for the entries of that file.

*Source:* amavis ``lookup_ip_acl``. *Errors:* none; entries were checked when the settings were read.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from milterguard.config.list_file import Line, ListFile, ListKind
from milterguard.config.pattern import file_named, network, split_exception
from milterguard.lookup.live_file import LiveFile, LiveFiles

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_BITS = {4: 32, 6: 128}
_NO_FILES = LiveFiles()


def address_of(text: str) -> Address | None:
    """Return the address, an IPv4 one also when it came as ``::ffff:192.0.2.1``; None for what is none."""
    try:
        address = ipaddress.ip_address(text.removeprefix("IPv6:"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address


@dataclass(frozen=True, slots=True)
class _Block:
    """Networks one after the other, found by a look for each length of prefix and not one for each network."""

    lengths: tuple[tuple[int, int], ...]
    """Version and bits behind the prefix, each once."""
    places: Mapping[tuple[int, int, int], tuple[int, bool]]
    """By version, bits behind the prefix and the number before them: place in the list, whether it is an exception."""

    def find(self, address: Address) -> bool | None:
        """Return whether the first network with this address in it means it; None when there is none."""
        number = int(address)
        places = (
            self.places.get((version, bits, number >> bits))
            for version, bits in self.lengths
            if version == address.version
        )
        first = min((place for place in places if place is not None), default=None)
        return None if first is None else not first[1]


class Networks:
    """A list of networks. Immutable but for its files; safe for several threads."""

    def __init__(self, entries: Iterable[str], *, files: LiveFiles = _NO_FILES) -> None:
        self._parts = tuple(_parts(entries, files))

    def __bool__(self) -> bool:
        return bool(self._parts)

    def hold(self, address: Address | None) -> bool:
        """Return whether an address is meant. Never raises."""
        if address is None:
            return False
        for part, is_exception in self._parts:
            found = (part if isinstance(part, _Block) else part.content()).find(address)
            if found is not None:
                return found != is_exception
        return False


_Part = tuple[_Block | LiveFile[_Block], bool]


def _parts(entries: Iterable[str], files: LiveFiles) -> Iterator[_Part]:
    split = (split_exception(each) for each in entries)
    for is_file, group in groupby(split, key=lambda each: file_named(each[0]) is not None):
        if not is_file:
            yield _block([(plain, is_exception, network(plain)) for plain, is_exception in group]), False
            continue
        for plain, is_exception in group:
            file = files.open(file_named(plain) or "", _of_file, kind=ListKind.NETWORKS)
            if file is not None:
                yield file, is_exception


def _of_file(file: ListFile) -> _Block:
    return _block(file.lines)


def _block(lines: Sequence[Line]) -> _Block:
    places: dict[tuple[int, int, int], tuple[int, bool]] = {}
    for place, (_, is_exception, (version, length, number)) in enumerate(lines):
        bits = _BITS[version] - length
        places.setdefault((version, bits, number >> bits), (place, is_exception))
    return _Block(tuple(dict.fromkeys((version, bits) for version, bits, _ in places)), places)
