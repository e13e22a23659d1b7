# SPDX-License-Identifier: GPL-3.0-or-later
"""From ``[[dkim_key]]`` to keys, and slips in it, in ``[signing]`` and in ``[checks.authentication]``.

*Errors:* ConfigError with file and entry.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from milterguard.config.authentication import Authentication
from milterguard.config.select import NoSelectError, parsed
from milterguard.config.signing import DkimKey, Signing, is_for
from milterguard.config.value import described, suggestion
from milterguard.core.domain import ascii_domain
from milterguard.core.text import printable
from milterguard.dkim.compose import NEVER_SIGNED
from milterguard.errors import ConfigError

_FIELD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,75}\Z")
_KEYS = ("domain", "selector", "file", "subdomains")


def dkim_keys(tables: Any, *, file: str) -> tuple[DkimKey, ...]:
    """Return the keys of one file. Raises ConfigError."""
    if not isinstance(tables, list):
        raise ConfigError(file, "dkim_key", expected="[[dkim_key]], in double brackets", got=described(tables))
    return tuple(_key(table, file, f"dkim_key[{number}]") for number, table in enumerate(tables, start=1))


def _key(table: Any, file: str, name: str) -> DkimKey:
    if not isinstance(table, Mapping):
        raise ConfigError(file, name, expected="a table", got=described(table))
    for key in table:
        if key not in _KEYS:
            got = f"an unknown key{suggestion(key, _KEYS)}"
            raise ConfigError(file, f"{name}.{printable(key, 80)}", expected="one of " + ", ".join(_KEYS), got=got)
    domain = ascii_domain(_word(table, "domain", file=file, name=name))
    if domain is None or "." not in domain:
        raise ConfigError(file, f"{name}.domain", expected="a domain", got=described(table["domain"]))
    selector = ascii_domain(_word(table, "selector", file=file, name=name))
    if selector is None:
        got = described(table["selector"])
        raise ConfigError(file, f"{name}.selector", expected="letters, digits, -, _ and .", got=got)
    path = _word(table, "file", file=file, name=name)
    if not path.startswith("/"):
        raise ConfigError(file, f"{name}.file", expected="an absolute path", got=described(path))
    subdomains = table.get("subdomains", False)
    if not isinstance(subdomains, bool):
        raise ConfigError(file, f"{name}.subdomains", expected="true or false", got=described(subdomains))
    return DkimKey(domain, selector, path, subdomains, f"{file}: [[dkim_key]] {name[9:-1]}")


def _word(table: Mapping[str, Any], key: str, *, file: str, name: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        got = "none" if value is None else described(value)
        raise ConfigError(file, f"{name}.{key}", expected="text", got=got)
    return value


def signing_slips(signing: Signing, keys: Sequence[DkimKey]) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong: key, what was expected, what was found."""
    for key in ("sign_fields", "oversign_fields"):
        for name in getattr(signing, key):
            if not _FIELD_NAME.match(name) or name.lower().encode("ascii") in NEVER_SIGNED:
                yield key, "fields that stay as they are on the way", described(name)
    if signing.sign_fields and "from" not in {name.lower() for name in signing.sign_fields}:
        yield "sign_fields", "From among them (RFC 6376)", "none"
    domain = signing.arc_domain
    if domain and ascii_domain(domain) != domain:
        yield "arc_domain", "a domain, small letters", described(domain)
    elif domain and not (signing.signer or signing.keys_select) and not any(is_for(key, domain) for key in keys):
        yield "arc_domain", "a [[dkim_key]] of that domain", described(domain)
    for key, other in (("keys_select", "keys_urls"), ("keys_urls", "keys_select")):
        if getattr(signing, key) and not getattr(signing, other):
            yield key, f"signing.{other} beside it", "none"
    try:
        if signing.keys_select:
            parsed(signing.keys_select, places="d", needed="d")
    except NoSelectError as error:
        yield "keys_select", error.expected, error.got


def authentication_slips(section: Authentication) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong: key, what was expected, what was found."""
    for key in ("trusted_sealers", "trusted_lists"):
        for domain in getattr(section, key):
            if ascii_domain(domain) != domain:
                yield key, "domains, small letters", described(domain)
    if not section.enabled:
        return
    for key in ("spf", "dkim"):
        if section.dmarc and not getattr(section, key):
            yield key, "true, or dmarc = false as well: DMARC rests on spf and dkim", "false"
    for key, need in (("trusted_sealers", "arc"), ("trusted_sealers", "dmarc"), ("trusted_lists", "dmarc")):
        if getattr(section, key) and not getattr(section, need):
            yield key, f"none while {need} = false: nobody would ask them", described(getattr(section, key)[0])
