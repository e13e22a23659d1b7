# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in a table, for hosts of many domains: asked by domain, held for a while, and longer while it is gone.

*Source:* ours. *Errors:* ConfigError for addresses and a SELECT that can never work; SignError.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from milterguard.config.select import Select, parsed
from milterguard.config.signing import Signing
from milterguard.core.domain import ascii_domain
from milterguard.dkim.compose import SigningKey
from milterguard.errors import SignError, StoreError
from milterguard.keys.private import PrivateKey, read_pem
from milterguard.keys.ring import KeyRing, closest
from milterguard.lookup.backends import Backends
from milterguard.lookup.remembered import Remembered
from milterguard.lookup.sql_engine import ask, make_reader, name_of

_COLUMNS = 3
_MOST_KEYS = 10
_MOST_PRIVATE = 10_000


@dataclass(frozen=True, slots=True)
class _Held:
    public: SigningKey
    private: PrivateKey


class DatabaseKeys:
    """Keys in a table, where ``files`` have none for a domain. Make it after the fork."""

    def __init__(self, files: KeyRing, signing: Signing) -> None:
        """Raises ConfigError."""
        self._files = files
        self._lock = threading.Lock()
        self._private: OrderedDict[SigningKey, PrivateKey] = OrderedDict()
        """Of what ``keys`` has named, for ``sign``."""
        self._select: Select = parsed(signing.keys_select, places="d", needed="d")
        self._engines = {name_of(url): make_reader(url, timeout_seconds=2.0) for url in signing.keys_urls}
        self._backends = Backends(self._engines)
        self._known: Remembered[str, tuple[_Held, ...]] = Remembered(
            self._find, name="SQL keys", fresh_seconds=signing.keys_seconds
        )

    def keys(self, domain: str) -> tuple[SigningKey, ...]:
        """Return the keys for mail of a domain: those of files, else what the table gives, the closest domain's."""
        of_files = self._files.keys(domain)
        if of_files:
            return of_files
        try:
            held = self._known.get(domain)
        except StoreError as error:
            raise SignError(f"keys of {domain}: {error}") from error
        with self._lock:
            for each in held:
                self._private[each.public] = each.private
                self._private.move_to_end(each.public)
            while len(self._private) > _MOST_PRIVATE:
                self._private.popitem(last=False)
        return closest([each.public for each in held])

    def sign(self, key: SigningKey, digest: bytes) -> bytes:
        with self._lock:
            private = self._private.get(key)
        return self._files.sign(key, digest) if private is None else private.sign(digest)

    def close(self) -> None:
        self._backends.close()
        for engine in self._engines.values():
            engine.dispose()
        self._files.close()

    def _find(self, domain: str) -> tuple[_Held, ...]:
        rows = self._backends.ask(lambda engine: ask(engine, *self._select.filled({"d": domain})).rows)
        try:
            return tuple(_held(row, domain) for row in rows[:_MOST_KEYS])
        except SignError as error:
            raise StoreError(str(error)) from error


def _held(row: tuple[object, ...], asked: str) -> _Held:
    if len(row) != _COLUMNS:
        raise SignError(f"keys_select gives {len(row)} columns, and not domain, selector and key")
    domain, selector, pem = map(_text, row)
    signer = ascii_domain(domain)
    if signer is None or (asked != signer and not asked.endswith(f".{signer}")):
        raise SignError(f"keys_select gives a key of another domain for {asked}")
    label = ascii_domain(selector)
    if label is None:
        raise SignError(f"keys_select gives a selector of {domain} that is none")
    private = read_pem(pem.encode("utf-8"), where=f"key {label} of {domain}")
    return _Held(SigningKey(signer, label, private.algorithm), private)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
