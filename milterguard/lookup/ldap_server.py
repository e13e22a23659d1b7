# SPDX-License-Identifier: GPL-3.0-or-later
"""One directory server: connections to it, and searches that take no longer than they may.

This is the only place that knows the library. A connection is used by one thread at a time and kept for
the next question. A server that closed it in the meantime is connected to anew.

*Source:* RFC 4511; RFC 4513 section 3.1 (StartTLS). *Errors:* StoreError when the server gave no answer,
Refused when it is well and will not answer this question.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import ldap
from ldap.ldapobject import SimpleLDAPObject

from milterguard.config.ldap import Ldap, Scope
from milterguard.core.text import printable
from milterguard.errors import StoreError
from milterguard.lookup.backends import Refused

Found = tuple[str, Mapping[str, Sequence[bytes]]]
"""A DN, and attributes with their values."""

_SCOPES = {Scope.BASE: ldap.SCOPE_BASE, Scope.ONE: ldap.SCOPE_ONELEVEL, Scope.SUB: ldap.SCOPE_SUBTREE}
_MOST_ENTRIES = 200
"""An address has some 25 keys; a filter that finds more than this is not what was meant."""
_LONGEST_IDLE_SECONDS = 60.0
"""Firewalls forget a connection that is idle for long, and tell nobody."""
_MOST_IDLE = 4
_NOT_ITS_FAULT = (ldap.FILTER_ERROR, ldap.SIZELIMIT_EXCEEDED)


class LdapServer:
    """A server. Safe to use from several threads; nothing is connected to before the first search."""

    def __init__(self, url: str, settings: Ldap) -> None:
        self._url = url
        self._settings = settings
        self._starts_tls = settings.start_tls and url.startswith("ldap://")
        self._is_encrypted = self._starts_tls or url.startswith("ldaps://")
        self._lock = threading.Lock()
        self._idle: list[tuple[SimpleLDAPObject, float]] = []
        self._is_closed = False

    def search(self, search_filter: str, attributes: Sequence[str]) -> tuple[Found, ...]:
        """Return the entries below the base for which the filter holds. Raises StoreError, Refused."""
        deadline = time.monotonic() + self._settings.timeout_seconds
        with self._errors():
            connection = self._rested()
            if connection is not None:
                # Closed by a server that was restarted, or has had enough of it.
                with suppress(ldap.SERVER_DOWN):
                    return self._searched(connection, search_filter, attributes, deadline=deadline)
            return self._searched(self._opened(deadline), search_filter, attributes, deadline=deadline)

    def sample(self, search_filter: str, attributes: Sequence[str], *, most: int) -> tuple[Found, ...]:
        """Return entries for which the filter holds, at most so many of them. Raises StoreError."""
        deadline = time.monotonic() + self._settings.timeout_seconds
        found: list[Found] = []
        with self._errors():
            connection = self._opened(deadline)
            try:
                with suppress(ldap.SIZELIMIT_EXCEEDED):
                    number = self._put(connection, search_filter, attributes, most=most)
                    while answer := _result(connection, number, deadline, all_at_once=False):
                        found += _entries(answer)
            finally:
                _close(connection)
        return tuple(found)

    def close(self) -> None:
        """Close the connections that nobody uses; one in use is closed by its user. Idempotent."""
        with self._lock:
            idle, self._idle, self._is_closed = self._idle, [], True
        for connection, _ in idle:
            _close(connection)

    def _searched(
        self, connection: SimpleLDAPObject, search_filter: str, attributes: Sequence[str], *, deadline: float
    ) -> tuple[Found, ...]:
        try:
            number = self._put(connection, search_filter, attributes, most=_MOST_ENTRIES)
            found = _result(connection, number, deadline)
        except BaseException:
            # Whatever is still on its way there must not be taken for the answer to the next question.
            _close(connection)
            raise
        self._rest(connection)
        return tuple(_entries(found))

    def _put(self, connection: SimpleLDAPObject, search_filter: str, attributes: Sequence[str], *, most: int) -> int:
        scope = _SCOPES[self._settings.scope]
        return connection.search_ext(self._settings.base, scope, search_filter, list(attributes), sizelimit=most)

    def _opened(self, deadline: float) -> SimpleLDAPObject:
        """Return a new connection, encrypted and bound as the settings say."""
        connection = ldap.initialize(self._url)
        try:
            self._set_up(connection, max(0.1, deadline - time.monotonic()))
            if self._starts_tls:
                connection.start_tls_s()
            if self._settings.bind_dn:
                number = connection.simple_bind(self._settings.bind_dn, self._settings.bind_password)
                _result(connection, number, deadline)
        except BaseException:
            _close(connection)
            raise
        return connection

    def _set_up(self, connection: SimpleLDAPObject, seconds: float) -> None:
        connection.set_option(ldap.OPT_PROTOCOL_VERSION, 3)
        connection.set_option(ldap.OPT_REFERRALS, 0)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, seconds)
        connection.set_option(ldap.OPT_TIMEOUT, seconds)
        if not self._is_encrypted:
            return
        # libldap 2.5 waits for a TLS handshake without limit unless its sockets do not block.
        connection.set_option(ldap.OPT_CONNECT_ASYNC, 1)
        # Set here, LDAPTLS_REQCERT of the environment and ldap.conf cannot weaken it.
        connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
        connection.set_option(ldap.OPT_X_TLS_PROTOCOL_MIN, ldap.OPT_X_TLS_PROTOCOL_TLS1_2)
        if self._settings.tls_ca_file:
            connection.set_option(ldap.OPT_X_TLS_CACERTFILE, self._settings.tls_ca_file)
        try:
            connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        except ValueError as error:  # "option error" is all that the library says
            raise StoreError(f"no certificates can be read from {self._settings.tls_ca_file or 'ldap.conf'}") from error

    def _rested(self) -> SimpleLDAPObject | None:
        """Return a connection that was used before, if there is one that may still be good."""
        oldest = time.monotonic() - _LONGEST_IDLE_SECONDS
        with self._lock:
            stale = [connection for connection, since in self._idle if since < oldest]
            self._idle = [(connection, since) for connection, since in self._idle if since >= oldest]
            connection = self._idle.pop()[0] if self._idle else None
        for each in stale:
            _close(each)
        return connection

    def _rest(self, connection: SimpleLDAPObject) -> None:
        with self._lock:
            is_kept = not self._is_closed and len(self._idle) < _MOST_IDLE
            if is_kept:
                self._idle.append((connection, time.monotonic()))
        if not is_kept:
            _close(connection)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what the library raises into our words."""
        try:
            yield
        except _NOT_ITS_FAULT as error:
            raise Refused(_words(error)) from error
        except ldap.NO_SUCH_OBJECT as error:
            raise StoreError(f"{self._settings.base} is not there, or not for us to see") from error
        except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR) as error:
            hint = " (or its certificate is not one that tls_ca_file vouches for)" if self._is_encrypted else ""
            raise StoreError(_words(error) + hint) from error
        except ldap.LDAPError as error:
            raise StoreError(_words(error)) from error


def _result(
    connection: SimpleLDAPObject, number: int, deadline: float, *, all_at_once: bool = True
) -> Sequence[tuple[str | None, Mapping[str, Sequence[bytes]]]]:
    # 0 would not wait at all and answer nothing.
    seconds = max(0.001, deadline - time.monotonic())
    return connection.result(number, all=int(all_at_once), timeout=seconds)[1]


def _entries(found: Sequence[tuple[str | None, Mapping[str, Sequence[bytes]]]]) -> Iterator[Found]:
    """Yield what is an entry; without a DN it is a reference to another server."""
    return ((dn, attributes) for dn, attributes in found if dn is not None)


def _close(connection: SimpleLDAPObject) -> None:
    with suppress(ldap.LDAPError):
        connection.unbind_s()


def _words(error: ldap.LDAPError) -> str:
    """Return what the library says, on one line."""
    said = error.args[0] if error.args else None
    if isinstance(said, dict):
        words = [str(said[key]) for key in ("desc", "info") if said.get(key) and said[key] != "(unknown error code)"]
        return printable(": ".join(words), 300)
    return "Timed out" if isinstance(error, ldap.TIMEOUT) else printable(str(error) or type(error).__name__, 300)
