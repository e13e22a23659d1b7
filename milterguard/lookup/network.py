# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of clients, and whether they are in a network. Never raises: an MTA may say anything."""

import ipaddress
from collections.abc import Iterable

from milterguard.core.bank import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_of(text: str) -> Address | None:
    """Return the address, an IPv4 one also when it came as ``::ffff:192.0.2.1``; None for what is none."""
    try:
        address = ipaddress.ip_address(text.removeprefix("IPv6:"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return mapped or address


def is_within(address: Address | None, networks: Iterable[Network]) -> bool:
    """Return whether an address is in one of these networks."""
    return address is not None and any(address in network for network in networks)
