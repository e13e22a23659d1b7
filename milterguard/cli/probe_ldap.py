# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each server of the directory lets us in, has entries for our filter, and what of them counts here.

*Source:* docs/ldap.md.
"""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from milterguard.cli.probe import Row, Rows, State
from milterguard.config.ldap import Ldap
from milterguard.config.query_filter import QueryFilter
from milterguard.errors import StoreError
from milterguard.lookup.ldap import NAME
from milterguard.lookup.ldap_entry import ATTRIBUTES, UNUSED, Entry, entries_of, layers_of

_TIMEOUT_SECONDS = 10.0
_MOST_ENTRIES = 1000
_MOST_TOLD = 5
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def ldap_rows(settings: Ldap) -> Rows:
    """Yield what each server of the directory answers; nothing when there is none. Never raises."""
    try:
        for url in settings.urls:
            yield from _server_rows(url, replace(settings, timeout_seconds=_TIMEOUT_SECONDS))
    except ImportError as error:
        text = f"the Python module {error.name} is missing"
        yield Row(NAME, State.ERROR, text, "install milterguard with its extra ldap (docs/ldap.md)")


def _server_rows(url: str, settings: Ldap) -> Rows:
    from milterguard.lookup.ldap_server import LdapServer

    subject = f"{NAME} {url}"
    yield from _exposure_rows(subject, url, settings)
    server = LdapServer(url, settings)
    try:
        found = server.sample(QueryFilter.parse(settings.query_filter).for_anybody(), ATTRIBUTES, most=_MOST_ENTRIES)
    except StoreError as error:
        advice = (
            "mail for recipients about whom nothing is remembered is answered with 451; is slapd running? docs/ldap.md"
        )
        yield Row(subject, State.ERROR, str(error), advice)
        return
    finally:
        server.close()
    yield _count_row(subject, len(found), settings)
    yield from _value_rows(subject, entries_of(found, (), ()))


def _exposure_rows(subject: str, url: str, settings: Ldap) -> Rows:
    parts = urlsplit(url)
    is_open = parts.scheme == "ldap" and not settings.start_tls and parts.hostname not in _THIS_MACHINE
    if is_open and settings.bind_password:
        text = "the password crosses the network as it is"
        yield Row(f"{subject}: encryption", State.WARNING, text, "set lookup.ldap.start_tls = true, or write ldaps://")


def _count_row(subject: str, count: int, settings: Ldap) -> Row:
    if not count:
        advice = "do lookup.ldap.base, scope and query_filter fit, and may bind_dn read the entries?"
        return Row(subject, State.WARNING, f"lets us in, and has no entry for {settings.query_filter}", advice)
    more = "" if count < _MOST_ENTRIES else " and more"
    return Row(subject, State.OK, f"lets us in; {count} entries{more} for {settings.query_filter}")


def _value_rows(subject: str, entries: Sequence[Entry]) -> Rows:
    """Yield what stands in the entries and changes nothing here."""
    there = {name for entry in entries for name, _ in entry.values}
    ignored = [f"{name} ({UNUSED[name]})" for name in UNUSED if name in there]
    if ignored:
        yield Row(f"{subject}: attributes", State.OK, f"without meaning here: {', '.join(ignored)}")
    wrong: list[str] = []
    layers_of(entries, wrong.append)
    if wrong:
        more = f"; {len(wrong) - _MOST_TOLD} more" if len(wrong) > _MOST_TOLD else ""
        text = "; ".join(wrong[:_MOST_TOLD]) + more
        yield Row(f"{subject}: values", State.WARNING, text, "correct them in the directory")
