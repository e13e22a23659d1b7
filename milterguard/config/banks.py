# SPDX-License-Identifier: GPL-3.0-or-later
"""From ``[bank.NAME]`` to a bank: what an operator may write, and what he is told about a slip.

*Errors:* ConfigError with file, the bank's name and its key; for entries of lists from ``config/lists.py``.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from milterguard.config.schema import Entry
from milterguard.config.socket import SocketSpec
from milterguard.config.value import Mismatch, convert, described, suggestion
from milterguard.core.bank import NON_SMTPD, Bank, When
from milterguard.core.envelope import Traffic
from milterguard.core.text import printable
from milterguard.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def bank(name: str, value: Any, known: Mapping[str, Entry], *, file: str) -> Bank:
    """Return the bank that one file defines under this name; ``known`` are policy keys. Raises ConfigError."""
    key = f"bank.{printable(name, 80)}"
    if not _NAME.match(name):
        raise ConfigError(file, key, expected="a name of letters, digits, _ and -", got=described(name))
    if not isinstance(value, Mapping):
        raise ConfigError(file, key, expected="a table", got=described(value))
    if name == NON_SMTPD.name:
        if "when" in value:
            expected = "none: this bank is for mail that did not come by SMTP"
            raise ConfigError(file, f"{key}.when", expected=expected, got="one")
        value = {**value, "when": {"traffic": Traffic.LOCAL.value}}
    if "when" not in value:
        expected = "when = { … }, which tells the messages that it is for, such as { authenticated = true }"
        raise ConfigError(file, f"{key}.when", expected=expected, got="none")
    settings: list[tuple[str, object]] = []
    for each, given in value.items():
        if each in ("when", "originating"):
            continue
        if each not in known:
            got = f"an unknown key{suggestion(each, [*known, 'when', 'originating'])}"
            raise ConfigError(file, f"{key}.{printable(each, 80)}", expected="when, or a policy key", got=got)
        settings.append((each, _read(partial(convert, known[each]), given, file=file, name=f"{key}.{each}")))
    originating = None
    if "originating" in value:
        originating = _read(_bool, value["originating"], file=file, name=f"{key}.originating")
    when = _when(value["when"], file=file, name=f"{key}.when")
    if originating is not None and when.needs_proofs:
        expected = "none: whether a message is originating is settled before anybody knows who wrote it"
        raise ConfigError(file, f"{key}.originating", expected=expected, got="one")
    return Bank(name, when, tuple(settings), f"{file}: [bank.{name}]", originating)


def _when(value: Any, *, file: str, name: str) -> When:
    if not isinstance(value, Mapping) or not value:
        raise ConfigError(file, name, expected="a table with one of " + ", ".join(_READERS), got=described(value))
    given: dict[str, Any] = {}
    for key, said in value.items():
        if key not in _READERS:
            got = f"an unknown key{suggestion(key, _READERS)}"
            raise ConfigError(file, f"{name}.{printable(key, 80)}", expected="one of " + ", ".join(_READERS), got=got)
        attribute, read = _READERS[key]
        given[attribute] = _read(read, said, file=file, name=f"{name}.{key}")
    return When(**given)


def when_keys(when: When) -> Iterator[tuple[str, Any]]:
    """Yield what is said in ``when``, under the keys that one writes."""
    nothing = When()
    for key, (attribute, _) in _READERS.items():
        if (value := getattr(when, attribute)) != getattr(nothing, attribute):
            yield key, value


def _read(read: Callable[[Any], Any], value: Any, *, file: str, name: str) -> Any:
    try:
        return read(value)
    except Mismatch as mismatch:
        raise ConfigError(file, name, expected=mismatch.expected, got=mismatch.got) from None


def _several(read: Callable[[str], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a reader of one string or an array of them."""

    def read_all(value: Any) -> tuple[Any, ...]:
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(each, str) and each for each in texts):
            raise Mismatch("a string, or an array of them", described(value))
        return tuple(read(each) for each in texts)

    return read_all


def _socket(text: str) -> str:
    try:
        return str(SocketSpec.parse(text))
    except ValueError as error:
        raise Mismatch(str(error), described(text)) from None


def _traffic(text: str) -> Traffic:
    if text not in list(Traffic):
        raise Mismatch(", ".join(Traffic), described(text) + suggestion(text, list(Traffic)))
    return Traffic(text)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Mismatch("true or false", described(value))
    return value


_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "network": ("networks", _several(str)),
    "authenticated": ("is_authenticated", _bool),
    "tls": ("is_encrypted", _bool),
    "daemon": ("daemons", _several(str)),
    "socket": ("sockets", _several(_socket)),
    "certificate": ("certificates", _several(str)),
    "certificate_issuer": ("issuers", _several(str)),
    "helo": ("helos", _several(str)),
    "sender": ("senders", _several(str)),
    "dkim_author": ("dkim_authors", _several(str)),
    "aligned_author": ("aligned_authors", _several(str)),
    "dkim_signer": ("signers", _several(str)),
    "traffic": ("traffics", _several(_traffic)),
}
"""Keys of ``when``, the attributes that they give, and how they are read."""
