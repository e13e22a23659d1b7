# SPDX-License-Identifier: GPL-3.0-or-later
"""Values written as TOML are read as what they were, and descriptions show no secret."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.on_failure import OnFailure
from milterguard.config.schema import Entry, entries
from milterguard.config.value import Mismatch, convert, described, masked, suggestion
from milterguard.config.written import toml_value
from milterguard.core.destiny import Destiny
from milterguard.core.finding import Category

_LINES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")))
_EITHER = st.sampled_from([Destiny.TEMPFAIL, Destiny.PASS])
_ANYTHING = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)


def _back(entry: Entry, value: Any) -> Any:
    return convert(entry, tomllib.loads(f"value = {toml_value(entry, value)}")["value"])


@given(_LINES)
def test_text_comes_back(text: str) -> None:
    """Any text on one line is written and read unchanged."""
    assert _back(entries()["policy.spam_subject_tag"], text) == text


@given(st.lists(_LINES).map(tuple))
def test_lists_come_back(texts: tuple[str, ...]) -> None:
    """Any list of lines is written and read unchanged."""
    assert _back(entries()["local.domains"], texts) == texts


@given(st.one_of(st.none(), st.floats(-1e15, 1e15)))
def test_levels_come_back(level: float | None) -> None:
    """A level, or none, is written and read unchanged."""
    assert _back(entries()["policy.spam_kill_level"], level) == level


@given(st.lists(st.sampled_from(Category)).map(tuple))
def test_categories_come_back(categories: tuple[Category, ...]) -> None:
    """Categories are written as words and read unchanged."""
    assert _back(entries()["policy.store_on_pass"], categories) == categories


@given(st.sampled_from(["checks.clamd.on_failure", "checks.spamd.on_failure"]), _EITHER, _EITHER, _EITHER)
def test_answers_to_failures_come_back(name: str, inbound: Destiny, originating: Destiny, local: Destiny) -> None:
    """Every combination of answers is written so that it is read unchanged, whatever the check's defaults."""
    value = OnFailure(inbound, originating, local)
    assert _back(entries()[name], value) == value


@given(st.sampled_from(sorted(entries())), _ANYTHING)
def test_anything_converts_or_mismatches(name: str, value: Any) -> None:
    """Whatever TOML holds is the setting's type or a Mismatch, nothing else."""
    try:
        convert(entries()[name], value)
    except Mismatch as mismatch:
        found = mismatch
    else:
        return
    assert found.expected
    assert len(found.got) < 1000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb\x1b", '"a\\x{A}b\\x{1B}"'),
        ("x" * 300, '"' + "x" * 79 + '…"'),
        ("smtp://u:" + "p" * 300 + "@h", '"smtp://u:***@h"'),
        (True, "true"),
        (7, "7"),
        (10**400, "a number of more than 18 digits"),
        (1.5, "1.5"),
        ([1], "an array"),
        ({"a": 1}, "a table"),
    ],
)
def test_descriptions_are_short_and_safe(value: Any, text: str) -> None:
    """What was found is shown on one line, short, without passwords."""
    assert described(value) == text


def test_a_secret_of_the_wrong_type_is_not_shown() -> None:
    """Text with a line end in a secret setting is not repeated."""
    with pytest.raises(Mismatch) as mismatch:
        convert(entries()["store.url"], "hunter2\n")
    assert mismatch.value.got == "a string (not shown)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("inet:783@127.0.0.1", "inet:783@127.0.0.1"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
        ("postgresql://user:secret@host/db", "postgresql://user:***@host/db"),
        ("postgresql://:secret@host/db", "postgresql://:***@host/db"),
        ("mysql://h/d?PASSWORD=secret&sslpassword=secret", "mysql://h/d?PASSWORD=***&sslpassword=***"),
    ],
)
def test_passwords_are_masked(text: str, shown: str) -> None:
    """Passwords in URLs become asterisks, user and host stay."""
    assert masked(text) == shown


def test_only_near_words_are_suggested() -> None:
    """A slip of the pen is recognised, another word is not."""
    assert suggestion("wrokers", ["workers", "user"]) == '; did you mean "workers"?'
    assert suggestion("entirely", ["workers", "user"]) == ""
