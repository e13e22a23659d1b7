# SPDX-License-Identifier: GPL-3.0-or-later
"""What no single type can tell: values that are no sockets, networks or paths, and values that exclude each other.

Run on settings that the loader has converted, before anything uses them.

*Errors:* ConfigError naming the origin of the setting that is wrong; where two settings contradict
each other, that of the one which is not a default.
"""

import re
import string
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from milterguard.config.banned import known_sets
from milterguard.config.dkim_key import authentication_slips, signing_slips
from milterguard.config.dns import is_name_server
from milterguard.config.ldap_contradiction import check_ldap
from milterguard.config.lookup import sql_slips
from milterguard.config.schema import entries, value_of
from milterguard.config.settings import RecipientRule, ScanParts, Settings
from milterguard.config.socket import SocketKind, SocketSpec
from milterguard.config.value import Mismatch, described, suggestion
from milterguard.core.banned import RuleSet
from milterguard.core.policy import OnTrial
from milterguard.errors import ConfigError

FACILITIES = (
    *("auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp"),
    *(f"local{number}" for number in range(8)),
)
_TCP_OR_UNIX = (SocketKind.INET, SocketKind.INET6, SocketKind.UNIX)
_PATHS = ("server.spool_directory", "checks.spamd.tls_ca_file", "metrics.file")
_ALERT_NAME = re.compile(r"X-[A-Za-z0-9-]{1,68}\Z", re.IGNORECASE)
_OTHER_NAMES = re.compile(r"X-(?:Spam-.*|Virus-Scanned|Quarantine-ID)\Z", re.IGNORECASE)
"""Fields that mean something else; each that arrives with the name of the alert is removed."""
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_STORE_URL = re.compile(r"(?P<dialect>[a-z][a-z0-9_]*(?:\+[a-z0-9_]+)?)://(?P<rest>.*)\Z", re.DOTALL)

_OTHER_DIALECTS = ("postgres", "pgsql", "psql", "sqlite3")
"""What other programs call them; SQLAlchemy would know them only when the first record comes."""


def check(settings: Settings, origins: Mapping[str, str]) -> None:
    """Raise ConfigError for the first contradiction there is."""
    checker = _Checker(settings, origins)
    checker.sockets()
    checker.local()
    checker.ldap()
    checker.limits()
    checker.paths()
    checker.words()
    checker.banned()
    checker.parts()
    checker.lookup()
    checker.signing()
    checker.authentication()
    _check_rules(settings.recipients)


class _Checker:
    def __init__(self, settings: Settings, origins: Mapping[str, str]) -> None:
        self._settings = settings
        self._origins = origins

    def sockets(self) -> None:
        checks = self._settings.checks
        self._check_sockets("server.listen", kinds=_TCP_OR_UNIX, needed=True)
        self._check_sockets("checks.clamd.sockets", kinds=_TCP_OR_UNIX, needed=checks.clamd.enabled)
        self._check_sockets("checks.spamd.sockets", kinds=tuple(SocketKind), needed=checks.spamd.enabled)
        self._parse_socket("release.smtp", self._settings.release.smtp, kinds=_TCP_OR_UNIX)
        mode = self._settings.server.socket_mode
        if not 0 <= mode <= 0o777:
            self._fail("server.socket_mode", expected="at most 0o777, octal", got=_mode(mode))

    def local(self) -> None:
        delimiter = self._settings.local.recipient_delimiter
        if any(character not in string.punctuation or character in '@".' for character in delimiter):
            self._fail("local.recipient_delimiter", expected='"+", "-" or the like', got=described(delimiter))

    def signing(self) -> None:
        signing, keys = self._settings.signing, self._settings.dkim_keys
        if signing.signer:
            self._parse_socket("signing.signer", signing.signer, kinds=(SocketKind.UNIX,))
        for key, expected, got in signing_slips(signing, keys):
            self._fail(f"signing.{key}", expected=expected, got=got)
        names = [(key.domain, key.selector) for key in keys]
        for each in keys:
            if names.count((each.domain, each.selector)) > 1:
                expected = "each selector of a domain once"
                raise ConfigError(each.origin, "selector", expected=expected, got=f"{each.selector} twice")

    def authentication(self) -> None:
        section = self._settings.checks.authentication
        for key, expected, got in authentication_slips(section):
            self._fail(f"checks.authentication.{key}", expected=expected, got=got)
        for text in self._settings.dns.servers:
            if not is_name_server(text):
                self._fail("dns.servers", expected="ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT", got=described(text))

    def ldap(self) -> None:
        try:
            check_ldap(self._settings.lookup.ldap)
        except Mismatch as mismatch:
            self._fail(f"lookup.ldap.{mismatch.inner}", expected=mismatch.expected, got=mismatch.got)

    def limits(self) -> None:
        server = self._settings.server
        if server.max_messages_total < server.max_messages:
            self._fail(
                "server.max_messages_total",
                "server.max_messages",
                expected=f"max_messages_total not below max_messages ({server.max_messages})",
                got=str(server.max_messages_total),
            )
        if server.progress_seconds >= server.deadline_seconds:
            self._fail(
                "server.progress_seconds",
                "server.deadline_seconds",
                expected=f"progress_seconds below deadline_seconds ({server.deadline_seconds:g})",
                got=f"{server.progress_seconds:g}",
            )

    def paths(self) -> None:
        for name in _PATHS:
            path = self._value(name)
            if path and not path.startswith("/"):
                self._fail(name, expected="an absolute path, or nothing", got=described(path))
        if not self._settings.server.state_directory.startswith("/"):
            got = described(self._settings.server.state_directory)
            self._fail("server.state_directory", expected="an absolute path", got=got)
        if not self._settings.quarantine.store.startswith("file:/"):
            got = described(self._settings.quarantine.store)
            self._fail("quarantine.store", expected="file: with an absolute path", got=got)
        self._check_store_url(self._settings.store.url)

    def words(self) -> None:
        log, headers = self._settings.log, self._settings.headers
        if log.facility not in FACILITIES:
            got = described(log.facility) + suggestion(log.facility, FACILITIES)
            self._fail("log.facility", expected="one of " + ", ".join(FACILITIES), got=got)
        name = headers.alert_name
        if name and (not _ALERT_NAME.match(name) or _OTHER_NAMES.match(name)):
            expected = "a name of its own that begins with X-, such as X-Amavis-Alert, or nothing"
            self._fail("headers.alert_name", expected=expected, got=described(name))
        if any(rule.name.lower() == name.lower() for rule in self._settings.fields):
            expected = "a name that no [[field]] has: each that arrives with the name of the alert is removed"
            self._fail("headers.alert_name", expected=expected, got=described(name))
        if headers.hostname and not (_HOST_NAME.match(headers.hostname) and len(headers.hostname) <= 253):
            self._fail("headers.hostname", expected="a host name", got=described(headers.hostname))
        if headers.spam_level_char and not (
            "!" <= headers.spam_level_char <= "~" and len(headers.spam_level_char) == 1
        ):
            got = described(headers.spam_level_char)
            self._fail("headers.spam_level_char", expected="one printable ASCII character, or nothing", got=got)

    def banned(self) -> None:
        """Refuse names of sets that nobody defined, in [policy], in banks, in [[table]] and in [[recipient]]."""
        sets = self._settings.banned
        try:
            known_sets(sets, self._settings.policy.banned_rules)
        except Mismatch as mismatch:
            self._fail("policy.banned_rules", expected=mismatch.expected, got=mismatch.got)
        for key, value in self._settings.on_trial:
            _check_sets_of(sets, key, value, file=self._origins[f"policy.{key} (shadow)"], name=f"policy.{key}")
        for bank in self._settings.banks:
            for key, value in bank.settings:
                _check_sets_of(
                    sets, key, value, file=bank.origin.partition(": [bank.")[0], name=f"bank.{bank.name}.{key}"
                )
        for rule in self._settings.recipients:
            file, number = _place(rule)
            for key, value in rule.settings:
                _check_sets_of(sets, key, value, file=file, name=f"recipient[{number}].{key}")
        for table in self._settings.tables:
            file, _, number = table.origin.rpartition(": [[table]] ")
            for _, value in table.rows:
                _check_sets_of(sets, table.setting, value, file=file, name=f"table[{number}].{table.kind}")

    def parts(self) -> None:
        """Refuse what would have no effect although somebody wrote it down: nobody would notice."""
        checks = self._settings.checks
        if checks.clamd.scan_parts is not ScanParts.AMBIGUOUS and not (checks.parts.enabled or checks.banned.enabled):
            self._fail(
                "checks.clamd.scan_parts",
                expected=f'"{ScanParts.AMBIGUOUS}" while checks.parts and checks.banned are switched off: '
                "nothing is taken apart",
                got=f'"{checks.clamd.scan_parts}"',
            )
        if checks.parts.passwords and not checks.parts.password_attempts:
            self._fail(
                "checks.parts.passwords",
                "checks.parts.password_attempts",
                expected="checks.parts.password_attempts over 0, or no passwords",
                got="password_attempts 0: none of the passwords would be tried",
            )

    def lookup(self) -> None:
        for key, expected, got in sql_slips(self._settings.lookup.sql):
            self._fail(f"lookup.sql.{key}", expected=expected, got=got)

    def _check_sockets(self, name: str, *, kinds: tuple[SocketKind, ...], needed: bool) -> None:
        texts: tuple[str, ...] = self._value(name)
        if needed and not texts:
            self._fail(name, name.replace("sockets", "enabled"), expected="one socket at least", got="none")
        seen: set[SocketSpec] = set()
        for text in texts:
            spec = self._parse_socket(name, text, kinds=kinds)
            if spec in seen:
                self._fail(name, expected="each socket once", got=f'"{spec}" twice')
            seen.add(spec)

    def _parse_socket(self, name: str, text: str, *, kinds: tuple[SocketKind, ...]) -> SocketSpec:
        try:
            spec = SocketSpec.parse(text)
        except ValueError as error:
            self._fail(name, expected=str(error), got=described(text))
        if spec.kind not in kinds:
            allowed = ", ".join(f"{kind}:" for kind in kinds)
            expected = f"one of {allowed}" if len(kinds) > 1 else f"{allowed}/PATH"
            self._fail(name, expected=expected, got=described(text))
        return spec

    def _check_store_url(self, url: str) -> None:
        """Refuse what cannot be an SQLAlchemy URL; its text may hold a password and is not shown."""
        if not url:
            return
        found = _STORE_URL.match(url)
        if found is None:
            self._fail("store.url", expected="DIALECT://…, or nothing", got="something else (not shown)")
        if found["dialect"] in _OTHER_DIALECTS:
            expected = "sqlite, postgresql+psycopg or mysql+pymysql before ://"
            self._fail("store.url", expected=expected, got=f'"{found["dialect"]}"')
        file = found["rest"].partition("?")[0]
        if found["dialect"].startswith("sqlite") and file not in ("", "/:memory:") and not file.startswith("//"):
            self._fail("store.url", expected="an absolute path: sqlite:////PATH, four slashes", got="a relative one")

    def _value(self, name: str) -> Any:
        return value_of(self._settings, entries()[name])

    def _fail(self, *names: str, expected: str, got: str) -> NoReturn:
        given = [name for name in names if self._origins.get(name, "default") != "default"]
        name = (given or list(names))[0]
        raise ConfigError(self._origins.get(name, "default"), name, expected=expected, got=got)


def _mode(mode: int) -> str:
    """Return a mode as it was most likely written: one that is not octal was meant to be."""
    digits = str(mode)
    is_meant = len(digits) <= 3 and set(digits) <= set(string.octdigits)
    return f'{digits}; did you mean "0o{digits}"?' if is_meant else oct(mode)


def _check_rules(rules: Iterable[RecipientRule]) -> None:
    """Refuse one recipient given two values for one key in one file; a later file may say otherwise."""
    said: dict[tuple[str, str, str], object] = {}
    for rule in rules:
        file, number = _place(rule)
        for match in rule.match:
            for key, value in rule.settings:
                if said.setdefault((file, match.casefold(), key), value) != value:
                    raise ConfigError(
                        file, f"recipient[{number}].{key}", expected=f"one value for {match}", got="two that differ"
                    )


def _check_sets_of(sets: Iterable[RuleSet], key: str, value: object, *, file: str, name: str) -> None:
    """Refuse names of sets that nobody defined, where a setting is about sets at all."""
    names = value.value if isinstance(value, OnTrial) else value
    if key != "banned_rules" or not isinstance(names, tuple):
        return
    try:
        known_sets(sets, names)
    except Mismatch as mismatch:
        raise ConfigError(file, name, expected=mismatch.expected, got=mismatch.got) from None


def _place(rule: RecipientRule) -> tuple[str, str]:
    """Return the file of an entry and its number in it."""
    file, _, number = rule.origin.rpartition(": [[recipient]] ")
    return file, number
