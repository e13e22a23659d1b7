# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources over a real directory, and what they say."""

from collections.abc import Callable

from milterguard.config.ldap import Ldap
from milterguard.lookup.layer import Layer, Source
from tests.daemons import Slapd
from tests.daemons.slapd import BASE, READER, READER_PASSWORD

OpenDirectory = Callable[[Ldap], Source]


def reading(slapd: Slapd) -> Ldap:
    """Settings that read this directory, with nothing fresh for long."""
    return Ldap(urls=(slapd.unix_url,), base=BASE, bind_dn=READER, bind_password=READER_PASSWORD, fresh_seconds=0.0)


def asked(source: Source, address: str, *, is_local: bool = True) -> tuple[Layer, ...]:
    """What is said about an address. Raises StoreError."""
    return source.layers(address, sender="", is_local=is_local)


def said(source: Source, address: str, *, is_local: bool = True) -> list[str]:
    """The names of the entries that say something about an address, the closest first."""
    layers = asked(source, address, is_local=is_local)
    return [layer.origin.removeprefix("LDAP cn=").partition(",")[0] for layer in layers]
