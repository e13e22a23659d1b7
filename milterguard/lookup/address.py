# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys under which an address is looked up, the closest first: one order for every kind of table.

Addresses come from strangers. Everything here is total, never raises, and is linear in the length
of the address; what is expensive (normalisation, punycode) sees one label of 63 characters at most.

*Source:* amavis' lookup keys for hash and SQL tables; RFC 5321 section 4.1.2 (quoted strings, address
literals), RFC 5891 section 5 (labels of internationalised domains).
"""

import re
import unicodedata
from dataclasses import dataclass

from milterguard.core.domain import ascii_domain
from milterguard.core.mailbox import split_extension

MAX_SUFFIXES = 20
"""At most so many ``.domain`` keys, the shortest ones: a name with a thousand labels is an attack."""
_LONGEST_LABEL = 63
_LONGEST_DOMAIN = 1024
"""Characters; the DNS has 253 octets at most (RFC 1035 section 2.3.4), so what is longer is only folded."""
_DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})
"""What users of other scripts type for a dot (RFC 3490 section 3.1, kept by UTS 46)."""
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_WORD = re.compile(r"[^\x00-,./:-@\[-^`{-\x7f\ud800-\udfff]+\Z")
"""What may stand in a label: of ASCII letters, digits, hyphen, underscore; no dot that would split it, no surrogate."""
_LONGEST_NORMALIZED = 256
"""Normalisation may take quadratic time, so long text goes without."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address in the form that is compared."""

    given: str
    """As it came."""
    user: str
    """Local part without extension and quotes."""
    extension: str
    """Delimiter and extension, such as ``+foo``; empty when there is none."""
    domain: str
    """Lower case, internationalised labels as ``xn--``, no dot at the end; empty when there is none."""


def parse(address: str, *, delimiter: str = "", case_sensitive: bool = False) -> Address:
    """Return the parts of an address; ``delimiter`` may name several characters. Never raises."""
    local, at, domain = address.rpartition("@")
    if not at or address.endswith('"'):
        local, domain = address, ""
    local = _unquoted(_without_route(local))
    user, extension = split_extension(local if case_sensitive else _folded(local), delimiter)
    return Address(address, user, extension, canonical_domain(domain))


def hash_keys(address: str, *, delimiter: str = "", case_sensitive: bool = False) -> tuple[str, ...]:
    """Return the keys of amavis' hash tables, the closest first, each once. Never raises.

    The address as given, ``user+foo@sub.example.com``, ``user@sub.example.com``, ``user+foo@``,
    ``user@``, ``sub.example.com``, ``.sub.example.com``, ``.example.com``, ``.com``, ``.``.
    The null address has the keys ``""``, ``@`` and ``.``.
    """
    return _keys(parse(address, delimiter=delimiter, case_sensitive=case_sensitive), before_domain="")


def match_keys(address: str, *, delimiter: str = "", case_sensitive: bool = False) -> tuple[str, ...]:
    """Return the keys as ``match`` of ``[[recipient]]`` and SQL tables write them. Never raises.

    As ``hash_keys``, but with ``@`` before domains: ``@sub.example.com``, ``@.example.com``, ``@.``.
    """
    return _keys(parse(address, delimiter=delimiter, case_sensitive=case_sensitive), before_domain="@")


def sql_keys(address: str, *, delimiter: str = "", is_local: bool) -> tuple[str, ...]:
    """Return the keys as amavis writes them in its SQL tables. Never raises.

    As ``match_keys``, but names without a domain have no ``@`` (``user+foo``, ``user``) and are asked for
    our own addresses only. The null address has the keys ``""``, ``@`` and ``@.``.
    """
    if not address:
        return match_keys(address)
    keys = match_keys(address, delimiter=delimiter)
    written = (key[:-1] if key.endswith("@") and key != address else key for key in keys)
    bare = {key[:-1] for key in keys if key.endswith("@")} - {address}
    return tuple(dict.fromkeys(key for key in written if is_local or key not in bare))


def canonical_match(text: str, *, case_sensitive: bool = False) -> str:
    """Return an entry of ``match`` in the form in which ``match_keys`` gives it. Never raises."""
    if text.startswith("@") and "@" not in text[1:]:
        return f"@{canonical_local_domain(text[1:])}"
    parts = parse(text, case_sensitive=case_sensitive)
    return f"{parts.user}@{parts.domain}"


def canonical_local_domain(text: str) -> str:
    """Return ``example.com``, ``.example.com`` or ``.`` in the form in which ``domain_keys`` gives it."""
    return text if text == "." else canonical_domain(text)


def domain_keys(domain: str) -> tuple[str, ...]:
    """Return the keys of a canonical domain: itself, ``.itself``, its parents with a dot, ``.``.

    An address literal has no parents; of a name with very many labels only the shortest are given.
    """
    if not domain:
        return (".",)
    if "[" in domain:
        return (domain, ".")
    labels = domain.rsplit(".", MAX_SUFFIXES - 1)[1 - MAX_SUFFIXES :]
    suffixes = ["." + ".".join(labels[start:]) for start in range(len(labels))]
    return tuple(dict.fromkeys((domain, *suffixes, ".")))


def canonical_domain(domain: str) -> str:
    """Return a domain as it is compared: lower case, A-labels, no dots at the end. Never raises."""
    if domain.isascii():
        return domain.lower().rstrip(".")
    if len(domain) > _LONGEST_DOMAIN:
        return domain.casefold().rstrip(".")
    return ".".join(_label(label) for label in domain.translate(_DOTS).rstrip(".").split("."))


def _keys(address: Address, *, before_domain: str) -> tuple[str, ...]:
    if not address.given:
        return ("", "@", f"{before_domain}.")
    full, user, domain = address.user + address.extension, address.user, address.domain
    keys = [address.given]
    if domain:
        keys += [f"{full}@{domain}", f"{user}@{domain}"]
    if user:
        keys += [f"{full}@", f"{user}@"]
    keys += [before_domain + key for key in domain_keys(domain)]
    return tuple(dict.fromkeys(keys))


def _without_route(local: str) -> str:
    """Return a local part without ``@a,@b:``, which RFC 5321 section 4.1.1.3 says to ignore."""
    return local.partition(":")[2] if local.startswith("@") and ":" in local else local


def _unquoted(local: str) -> str:
    """Return what a quoted string means: ``"a b"`` is ``a b`` and ``"ab"`` the same as ``ab``."""
    if len(local) < 2 or not (local.startswith('"') and local.endswith('"')):
        return local
    return _QUOTED_PAIR.sub(r"\1", local[1:-1])


def _folded(local: str) -> str:
    folded = local.casefold()
    if folded.isascii() or len(folded) > _LONGEST_NORMALIZED:
        return folded
    return unicodedata.normalize("NFC", folded)


def _label(label: str) -> str:
    """Return one label in lower case, as A-label when it is not ASCII; what is no label is only folded."""
    if label.isascii():
        return label.lower()
    if len(label) > _LONGEST_LABEL:
        return label.casefold()
    known = ascii_domain(label)
    if known is not None:
        return known  # the very name that SPF, DKIM and DMARC ask about
    mapped = unicodedata.normalize("NFKC", label.lower()).lower()
    if len(mapped) > _LONGEST_LABEL or not _WORD.match(mapped):
        return label.casefold()
    # Punycode by hand and not the codec "idna": that is IDNA 2003, for which straße and strasse are one.
    return mapped if mapped.isascii() else "xn--" + mapped.encode("punycode").decode("ascii")
