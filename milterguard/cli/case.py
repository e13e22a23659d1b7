# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy tests as a postmaster writes them: ``[[case]]`` in a TOML file.

*Errors:* ConfigError with the file, the case's number and the key.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from milterguard.config.toml_file import read_table
from milterguard.config.value import described, suggestion
from milterguard.core.authres import RESULTS
from milterguard.core.destiny import Destiny
from milterguard.core.dmarc import Wish
from milterguard.core.finding import Category, Finding
from milterguard.core.mailbox import is_mailbox
from milterguard.core.text import printable
from milterguard.errors import ConfigError

_CATEGORIES = {category.word: category for category in Category}
_ANSWERS = (*(str(each) for each in Destiny), "refused_at_rcpt")
_FATES = (*_ANSWERS, "removed")
_CHECKS = ("none", "local")
PLAIN = (
    "From: sender@sender.example\nTo: user@example.com\nDate: Sat, 21 Nov 2026 12:00:00 +0000\nSubject: test\n\ntest\n"
)
"""The message of a case that has none."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a case says shall come of it; what it does not say is not looked at."""

    answer: str = ""
    """pass, reject, tempfail, discard; refused_at_rcpt: nobody was left to send to."""
    code: int = 0
    status: str = ""
    reply_contains: str = ""
    category: str = ""
    bank: str = ""
    """As in the log: ``A/B``."""
    subject: str = ""
    """Stands in the Subject that is delivered."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Names of fields that are added, and what stands in them."""
    quarantined: bool | None = None
    shadow: str = ""
    """What would have become of it for somebody by what is on trial."""
    recipients: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of each the keys answer, code, category, delivered_to, spam."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test."""

    name: str
    file: Path
    expect: Expected
    sender: str = "sender@sender.example"
    recipients: tuple[str, ...] = ("user@example.com",)
    client: str = "192.0.2.1"
    login: str = ""
    helo: str = "client.invalid"
    daemon: str = ""
    socket: str = ""
    certificate: str = ""
    issuer: str = ""
    tls: bool = False
    sendmail: bool = False
    announced_size: int = 0
    message: str = ""
    """A file beside the case's."""
    raw: str = ""
    """The message itself."""
    checks: str = "none"
    """local: what needs no daemon is really asked."""
    findings: tuple[Finding, ...] = ()


def cases_of(path: Path) -> Iterator[Case]:
    """Yield the cases of a file, or of all files of a folder in lexical order. Raises ConfigError."""
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(str(path), "", expected="files that end in .toml", got="none")
    for file in files:
        table = read_table(file)
        found = table.get("case")
        if set(table) - {"case"} or not isinstance(found, list):
            others = [key for key in table if key != "case"]
            got = f"{others[0]}{suggestion(others[0], ['case'])}" if others else "none"
            raise ConfigError(str(file), "", expected="[[case]] and nothing else", got=got)
        for number, each in enumerate(found, start=1):
            yield _case(_Place(file, f"case[{number}]"), each)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands, for errors."""

    file: Path
    name: str

    def fail(self, key: str, *, expected: str, got: str) -> ConfigError:
        return ConfigError(str(self.file), f"{self.name}.{printable(key, 80)}", expected=expected, got=got)

    def known(self, table: Any, keys: Mapping[str, Callable[[Any], str]]) -> dict[str, Any]:
        """Return the table once each key is known and has a value that fits; a reader returns what it expected."""
        if not isinstance(table, Mapping):
            raise ConfigError(str(self.file), self.name, expected="a table", got=described(table))
        for key, value in table.items():
            if key not in keys:
                raise self.fail(key, expected="one of " + ", ".join(keys), got="an unknown key" + suggestion(key, keys))
            wanted = keys[key](value)
            if wanted:
                raise self.fail(key, expected=wanted, got=described(value))
        return dict(table)


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else "a string"


def _bool(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _integer(value: Any) -> str:
    return "" if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else "a whole number"


def _number(value: Any) -> str:
    return "" if isinstance(value, int | float) and not isinstance(value, bool) else "a number"


def _addresses(value: Any) -> str:
    is_fit = isinstance(value, list) and value and all(isinstance(each, str) and is_mailbox(each) for each in value)
    return "" if is_fit else "an array of addresses"


def _one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    return lambda value: "" if value in words else "one of " + ", ".join(words)


def _texts(value: Any) -> str:
    is_fit = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return "" if is_fit else "an array of strings"


def _table(value: Any) -> str:
    return "" if isinstance(value, Mapping) else "a table"


def _numbers(value: Any) -> str:
    is_fit = isinstance(value, Mapping) and not any(_number(each) for each in value.values())
    return "" if is_fit else "a table of numbers"


def _words(value: Any) -> str:
    is_fit = isinstance(value, Mapping) and not any(_text(each) for each in value.values())
    return "" if is_fit else "a table of strings"


def _list(value: Any) -> str:
    return "" if isinstance(value, list) else "an array of tables"


_CASE: Mapping[str, Callable[[Any], str]] = {
    "name": _text,
    **dict.fromkeys(("sender", "client", "login", "helo", "daemon", "socket", "certificate", "issuer"), _text),
    "recipients": _addresses,
    "tls": _bool,
    "sendmail": _bool,
    "announced_size": _integer,
    "message": _text,
    "raw": _text,
    "checks": _one_of(_CHECKS),
    "findings": _list,
    "expect": _table,
}
_FINDING: Mapping[str, Callable[[Any], str]] = {
    "check": _text,
    "category": _one_of(tuple(_CATEGORIES)),
    **dict.fromkeys(("minor", "detail", "rule"), _text),
    "score": _number,
    "result": _one_of(RESULTS),
    "properties": _words,
    "tests": _numbers,
    "rules": _texts,
    "destiny": _one_of(tuple(str(each) for each in Destiny)),
}
_EXPECT: Mapping[str, Callable[[Any], str]] = {
    "answer": _one_of(_ANSWERS),
    "code": _integer,
    **dict.fromkeys(("status", "reply_contains", "bank", "subject"), _text),
    "category": _one_of(tuple(_CATEGORIES)),
    "fields": _words,
    "quarantined": _bool,
    "shadow": _one_of(tuple(str(each) for each in Destiny)),
    "recipients": _table,
}
_RECIPIENT: Mapping[str, Callable[[Any], str]] = {
    "answer": _one_of(_FATES),
    "code": _integer,
    "category": _one_of(tuple(_CATEGORIES)),
    "delivered_to": _text,
    "spam": _bool,
}
_FORGED: Mapping[str, Callable[[Any], str]] = {"minor": _one_of((Wish.QUARANTINE.value, Wish.REJECT.value))}
"""What the domain asks for: without it the finding would be of no setting."""


def _case(place: _Place, table: Any) -> Case:
    given = place.known(table, _CASE)
    for key in ("name", "expect"):
        if not given.get(key):
            raise place.fail(key, expected="a name" if key == "name" else "a table with what is expected", got="none")
    if "message" in given and "raw" in given:
        raise place.fail("raw", expected="message or raw", got="both")
    expect = _Place(place.file, f"{place.name}.expect").known(given["expect"], _EXPECT)
    recipients = tuple(given.get("recipients", ("user@example.com",)))
    for address, said in expect.get("recipients", {}).items():
        if address not in recipients:
            raise place.fail("expect.recipients", expected="recipients of the case", got=described(address))
        _Place(place.file, f"{place.name}.expect.recipients.{address}").known(said, _RECIPIENT)
    findings = tuple(
        _finding(_Place(place.file, f"{place.name}.findings[{number}]"), each)
        for number, each in enumerate(given.get("findings", ()), start=1)
    )
    rest = {key: value for key, value in given.items() if key not in ("expect", "recipients", "findings")}
    return Case(file=place.file, expect=Expected(**expect), recipients=recipients, findings=findings, **rest)


def _finding(place: _Place, table: Any) -> Finding:
    given = place.known(table, _FINDING)
    if not given.get("check"):
        raise place.fail("check", expected="a check such as clamd", got="none")
    if not {"category", "score", "result"} & given.keys():
        raise place.fail("category", expected="a category, a score or a result", got="none")
    if given.get("category") == Category.FORGED.word:
        place.known({"minor": given.get("minor", "")}, _FORGED)
    destiny = given.get("destiny")
    return Finding(
        given["check"],
        _CATEGORIES[given.get("category", "clean")],
        given.get("minor", ""),
        given.get("detail", ""),
        score=float(given["score"]) if "score" in given else None,
        result=given.get("result", ""),
        properties=tuple(given.get("properties", {}).items()),
        tests=tuple((name, float(points)) for name, points in given.get("tests", {}).items()),
        rule=given.get("rule", ""),
        rules=tuple(given["rules"]) if "rules" in given else None,
        destiny=Destiny(destiny) if destiny else None,
    )
