# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipients in a directory that has amavis' attributes.

All keys of an address are asked for at once: the address, then without extension, then the user alone
where he is ours, then the domain and its parents. They are written into the filter so that no address
can change it. Answers are remembered; while no server gives any, the last ones hold.

*Source:* amavis' LDAP lookups (``$default_ldap``, ``query_filter``).

*Errors:* ConfigError when the library is missing; StoreError when no server can be asked about a
recipient of whom nothing was said before.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from milterguard.config.ldap import Ldap
from milterguard.config.query_filter import QueryFilter
from milterguard.config.settings import Settings
from milterguard.errors import ConfigError
from milterguard.lookup.address import match_keys, parse
from milterguard.lookup.backends import Backends
from milterguard.lookup.layer import Layer, SenderEntry, Source
from milterguard.lookup.ldap_entry import ATTRIBUTES, Entry, entries_of, layers_of
from milterguard.lookup.remembered import Remembered

if TYPE_CHECKING:
    from milterguard.lookup.ldap_server import LdapServer

log = logging.getLogger(__name__)

NAME = "LDAP"
_LONGEST_KEY = 1024
"""Characters; no directory has an address as long as that."""
_MOST_ANSWERS = 4096


def ldap_source(settings: Settings) -> Source | None:
    """Return the directory of ``[lookup.ldap]``; None when there is none. Raises ConfigError."""
    ldap = settings.lookup.ldap
    if not ldap.urls:
        return None
    try:
        from milterguard.lookup.ldap_server import LdapServer
    except ImportError as error:
        expected = f"the extra ldap to be installed (Python module {error.name})"
        raise ConfigError("settings", "lookup.ldap.urls", expected=expected, got="it is not") from error
    servers = {url: LdapServer(url, ldap) for url in ldap.urls}
    return LdapSource(servers, ldap, delimiter=settings.local.recipient_delimiter)


class LdapSource:
    """A directory, on one server or several with the same content. Safe to use from several threads."""

    def __init__(self, servers: "Mapping[str, LdapServer]", settings: Ldap, *, delimiter: str) -> None:
        """``servers`` by name, in the order in which they are asked."""
        self._servers = tuple(servers.values())
        self._filter = QueryFilter.parse(settings.query_filter)
        self._delimiter = delimiter
        self._attributes = (*(place.attribute for place in self._filter.key_places), *ATTRIBUTES)
        self._backends = Backends(
            servers, time_limit_seconds=settings.timeout_seconds, retry_seconds=settings.retry_seconds
        )
        self._remembered = Remembered(self._ask, name=NAME, fresh_seconds=settings.fresh_seconds)
        # Recipients of whom the same is said share their layers, and so what is composed of them.
        self._layers_of = lru_cache(_MOST_ANSWERS)(_told_layers)

    def layers(self, address: str, *, sender: str, is_local: bool) -> tuple[Layer, ...]:
        """Return what the directory says about a recipient, the closest entry first. Raises StoreError."""
        del sender
        return self._remembered.get((address.casefold(), is_local))

    def entries(self, rids: Sequence[int], senders: Sequence[str]) -> tuple[SenderEntry, ...]:
        """Return nothing: lists of senders stand in the recipient's own entry."""
        del rids, senders
        return ()

    def close(self) -> None:
        """Ask no server any more. Idempotent."""
        self._backends.close()
        for server in self._servers:
            server.close()

    def _ask(self, question: tuple[str, bool]) -> tuple[Layer, ...]:
        address, is_local = question
        keys = ldap_keys(address, delimiter=self._delimiter, is_local=is_local)
        search_filter = self._filter.filled(keys, _places(address, self._delimiter))
        found = self._backends.ask(lambda server: server.search(search_filter, self._attributes))
        return self._layers_of(entries_of(found, keys, self._filter.key_places))


def _told_layers(entries: tuple[Entry, ...]) -> tuple[Layer, ...]:
    return layers_of(entries, log.warning)


def ldap_keys(address: str, *, delimiter: str, is_local: bool) -> tuple[str, ...]:
    """Return the keys of an address as amavis' directories have them, the closest first, one at least. Never raises.

    ``user+foo@sub.example.com``, ``user@sub.example.com``, for our own recipients ``user+foo`` and
    ``user``, then ``@sub.example.com``, ``@.sub.example.com`` … ``@.``.
    """
    keys: dict[str, None] = {}
    for key in match_keys(address, delimiter=delimiter):
        text = key.casefold()
        if text.endswith("@"):
            text = text[:-1] if is_local else ""
        # Directories take " user" for "user", and two blanks for one: such a key would find somebody else.
        if text and len(text) <= _LONGEST_KEY and text == " ".join(text.split()):
            keys[text] = None
    return tuple(keys)


def _places(address: str, delimiter: str) -> Mapping[str, str]:
    """Return what the other letters of a filter stand for."""
    parts = parse(address, delimiter=delimiter)
    local = parts.user + parts.extension
    whole = f"{local}@{parts.domain}" if parts.domain else local
    return {"a": whole, "l": local, "u": parts.user, "e": parts.extension, "d": parts.domain}
