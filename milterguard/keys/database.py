# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in a table, for hosts of many domains: asked by domain, held for a while, and longer while it is gone.

*Source:* ours. *Errors:* ConfigError for addresses and a SELECT that can never work; SignError.
"""

from dataclasses import dataclass

from milterguard.config.select import Select, parsed
from milterguard.config.signing import Signing
from milterguard.core.domain import ascii_domain
from milterguard.dkim.compose import SigningKey
from milterguard.errors import SignError, StoreError
from milterguard.keys.private import PrivateKey, read_pem
from milterguard.keys.ring import KeyRing
from milterguard.lookup.backends import Backends
from milterguard.lookup.remembered import Remembered
from milterguard.lookup.sql_engine import ask, make_reader, name_of

_COLUMNS = 3
_MOST_KEYS = 10


@dataclass(frozen=True, slots=True)
class _Held:
    public: SigningKey
    private: PrivateKey


class DatabaseKeys:
    """Keys in a table, where ``files`` have none for a domain. Make it after the fork."""

    def __init__(self, files: KeyRing, signing: Signing) -> None:
        """Raises ConfigError."""
        self._files = files
        self._select: Select = parsed(signing.keys_select, places="d", needed="d")
        self._engines = {name_of(url): make_reader(url, timeout_seconds=2.0) for url in signing.keys_urls}
        self._backends = Backends(self._engines)
        self._known: Remembered[str, tuple[_Held, ...]] = Remembered(
            self._find, name="SQL keys", fresh_seconds=signing.keys_seconds
        )

    def keys(self, domain: str) -> tuple[SigningKey, ...]:
        """Return the keys of a domain, else those of the closest one above it that is for those below as well."""
        return self._files.keys(domain) or tuple(held.public for held in self._held(domain))

    def sign(self, key: SigningKey, digest: bytes) -> bytes:
        for held in self._held(key.domain):
            if held.public == key:
                return held.private.sign(digest)
        return self._files.sign(key, digest)

    def close(self) -> None:
        self._backends.close()
        for engine in self._engines.values():
            engine.dispose()
        self._files.close()

    def _held(self, domain: str) -> tuple[_Held, ...]:
        try:
            return self._known.get(domain)
        except StoreError as error:
            raise SignError(f"keys of {domain}: {error}") from error

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
    private = read_pem(pem.encode("utf-8"), where=f"key {selector} of {domain}")
    return _Held(SigningKey(signer, selector.lower(), private.algorithm), private)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
