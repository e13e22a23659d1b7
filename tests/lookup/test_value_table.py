# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``[[table]]`` says about recipients."""

import random as randoms
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.banned_rules import shipped
from milterguard.config.load import load
from milterguard.config.settings import RecipientRule, Settings
from milterguard.core.bank import Bank, When
from milterguard.core.envelope import Client, Traffic
from milterguard.core.finding import Category
from milterguard.core.listed import Listing
from milterguard.core.policy import OnTrial, Policy
from milterguard.core.value_table import UNDEFINED, TableKind, Template, ValueTable
from milterguard.lookup.layer import Layer, SenderEntry
from milterguard.lookup.policies import Policies


def table(kind: TableKind, *rows: tuple[str, object], setting: str = "spam_kill_level", number: int = 1) -> ValueTable:
    return ValueTable(setting, kind, rows, f"f: [[table]] {number}")


def level(address: str, *tables: ValueTable, **more: Any) -> float | None:
    return Policies(Settings(tables=tables, **more)).policy(address, Traffic.INBOUND).spam_kill_level


DEFAULT = Policy().spam_kill_level
HASH = table(
    TableKind.HASH, ("@.", 1.0), ("@example.com", 2.0), ("user@example.com", 3.0), ("x@example.com", UNDEFINED)
)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("user@example.com", 3.0),
        ("User+Foo@Example.COM", 3.0),
        ("other@example.com", 2.0),
        ("other@www.example.com", 1.0),
        ("x@example.com", 9.0),
        ("x+y@example.com", 9.0),
        ("", 1.0),
    ],
)
def test_the_closest_key_of_a_hash_decides(address: str, found: float) -> None:
    """One without a value leaves it to the next table, and no more general key of its own is asked."""
    assert level(address, HASH, table(TableKind.CONSTANT, ("", 9.0))) == found


def test_what_no_table_says_is_asked_of_recipients() -> None:
    """Then of [policy]; unset is an answer."""
    rules = (RecipientRule(("x@example.com",), (("spam_kill_level", 4.0),)),)
    assert level("x@example.com", HASH, recipients=rules) == 4.0
    assert level("x@example.com", HASH) == DEFAULT
    assert level("x@example.com", table(TableKind.HASH, ("x@", None)), recipients=rules) is None


def test_the_order_of_sources() -> None:
    """Databases, then tables, recipients, banks."""

    class Source:
        def __init__(self, *settings: tuple[str, object]) -> None:
            self.settings = settings

        def layers(self, address: str, *, sender: str, is_local: bool) -> tuple[Layer, ...]:
            return (Layer(self.settings, "database"),)

        def entries(self, rids: Any, senders: Any) -> tuple[SenderEntry, ...]:
            return ()

        def close(self) -> None:
            """Nothing is open."""

    names = ("spam_tag_level", "spam_tag2_level", "spam_tag3_level", "spam_kill_level")
    settings = Settings(
        tables=tuple(table(TableKind.CONSTANT, ("", 2.0), setting=name) for name in names[:2]),
        recipients=(RecipientRule(("@.",), tuple((name, 3.0) for name in names[:3]), "f: [[recipient]] 1"),),
        banks=(Bank("A", When(traffics=tuple(Traffic)), tuple((name, 4.0) for name in names), "f: [bank.A]"),),
    )
    policies = Policies(settings, [Source(("spam_tag_level", 1.0))])
    judged = policies.judged("user@example.com", (), Traffic.INBOUND, ("A",))
    assert [getattr(judged.policy, name) for name in names] == [1.0, 2.0, 3.0, 4.0]
    assert [dict(judged.origins)[name] for name in names] == [
        "database",
        "f: [[table]] 1",
        "@., f: [[recipient]] 1",
        "f: [bank.A]",
    ]


@pytest.mark.parametrize(
    ("address", "found", "origin"),
    [
        ("user@example.com", False, "!user@example.com"),
        ("user+x@example.com", False, "!user@example.com"),
        ("other@example.com", True, "@.example.com"),
        ("secret@www.example.com", True, "@.example.com"),
        ("secret@example.org", False, "!/^secret@/"),
        ("other@example.org", True, "@."),
        ("", True, "@."),
    ],
)
def test_the_first_entry_of_a_list_decides(address: str, found: bool, origin: str) -> None:
    """With ! it is false; the order is that of the list, and not that of the keys."""
    entries = ("!user@example.com", "@.example.com", "user@example.com", "!/^secret@/", "!!@.")
    rows = [(entry, True) for entry in entries]
    policies = Policies(Settings(tables=(table(TableKind.LIST, *rows, setting="spam_lover"),)))
    judged = policies.judged(address, (), Traffic.INBOUND)
    assert judged.policy.spam_lover is found
    assert judged.origins == (("spam_lover", f"{origin}, f: [[table]] 1"),)


def test_a_list_says_nothing_to_whom_it_does_not_name() -> None:
    """Then the next one is asked."""
    first = table(TableKind.LIST, ("!a@b", True), setting="spam_lover")
    second = table(TableKind.LIST, ("@b", True), setting="spam_lover", number=2)
    policies = Policies(Settings(tables=(first, second)))
    assert not policies.policy("a@b", Traffic.INBOUND).spam_lover
    assert policies.policy("c@b", Traffic.INBOUND).spam_lover
    assert policies.judged("c@d", (), Traffic.INBOUND).origins == ()


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("a@example.com", False),
        ("filed@example.com", False),
        ("no@example.com", True),
        ("expressed@example.com", True),
        ("b@example.com", True),
        ("b@example.org", False),
    ],
)
def test_a_file_in_a_list_stands_where_it_is_named(tmp_path: Path, address: str, found: bool) -> None:
    """With ! before it all of its entries are turned round."""
    (tmp_path / "list").write_text("filed@example.com\n!no@example.com\n!/^expressed@/\n")
    file = tmp_path / "milterguard.toml"
    entries = f'["!a@", "!file:{tmp_path}/list", "@example.com", "filed@example.com"]'
    file.write_text(f"[[table]]\nsetting = 'spam_lover'\nlist = {entries}\n")
    policies = Policies(load(file, environ={}).settings)
    judged = policies.judged(address, (), Traffic.INBOUND)
    assert judged.policy.spam_lover is found
    if address.startswith("no@"):
        told = f"!no@example.com in {tmp_path}/list, {file}: [[table]] 1"
        assert judged.origins == (("spam_lover", told),)


@pytest.mark.parametrize(
    ("address", "tag"),
    [
        ("User-Old@example.com", "User: Old $ "),
        ("user@example.com", "[] "),
        ("other@example.org", Policy().spam_subject_tag),
        ("a\rb-c@example.com", Policy().spam_subject_tag),
        ("a\x00-c@example.com", Policy().spam_subject_tag),
        ("a\u2028-c@example.com", Policy().spam_subject_tag),
        ("x" * 400 + "-c@example.com", Policy().spam_subject_tag),
    ],
)
def test_groups_are_put_into_texts(address: str, tag: str) -> None:
    """From the address as it came; what would be no setting says nothing: it is a stranger's."""
    rows = (
        ("(?s)^([^@]*)-([^@]*)@example.com", Template("$1: ${2} $$ ")),
        ("^user(x)?@example", Template("[$1] ")),
    )
    tables = (table(TableKind.REGEXP, *rows, setting="spam_subject_tag"),)
    assert Policies(Settings(tables=tables)).policy(address, Traffic.INBOUND).spam_subject_tag == tag


def test_groups_are_put_into_tables_by_category() -> None:
    """In the texts, not in the names; and with a value on trial."""
    first = table(TableKind.REGEXP, ("^(.*)-old@(.*)", Template({"spam": "$1@$2"})), setting="addr_rewrite")
    raw = Template({"value": "$1 ", "shadow": True})
    second = table(TableKind.REGEXP, ("^(.*)-old@", raw), setting="spam_subject_tag", number=2)
    judged = Policies(Settings(tables=(first, second))).judged("a-old@b.example", (), Traffic.INBOUND)
    assert judged.policy.addr_rewrite == ((Category.SPAM, "a@b.example"),)
    assert judged.policy.spam_subject_tag == Policy().spam_subject_tag
    assert judged.trial is not None
    assert judged.trial.spam_subject_tag == "a "
    assert dict(judged.origins)["spam_subject_tag (shadow)"] == "/^(.*)-old@/, f: [[table]] 2"


def test_values_may_be_on_trial() -> None:
    """Watched, and not followed."""
    judged = Policies(Settings(tables=(table(TableKind.HASH, ("a@b", OnTrial(1.0))),))).judged(
        "a@b", (), Traffic.INBOUND
    )
    assert judged.policy.spam_kill_level == DEFAULT
    assert judged.trial is not None
    assert judged.trial.spam_kill_level == 1.0


def test_what_adds_up_is_put_together_from_all_tables() -> None:
    """Sets of rules, lists of senders, tables by category."""
    tables = (
        table(TableKind.HASH, ("a@b", ("NO_MACROS",)), setting="banned_rules"),
        table(TableKind.CONSTANT, ("", ("NO_ENCRYPTED",)), setting="banned_rules", number=2),
        table(TableKind.HASH, ("a@b", ((Category.VIRUS, "V "),)), setting="subject_tag", number=3),
        table(TableKind.CONSTANT, ("", ((Category.SPAM, "S "),)), setting="subject_tag", number=4),
        table(TableKind.HASH, ("@b", ("bad@example.org",)), setting="deny_senders", number=5),
    )
    policies = Policies(Settings(tables=tables, banned=shipped()))
    judged = policies.judged("a@b", (), Traffic.INBOUND, sender="bad@example.org")
    assert judged.policy.banned_rules == ("NO_MACROS", "NO_ENCRYPTED", "DEFAULT")
    assert dict(judged.policy.subject_tag) == {Category.VIRUS: "V ", Category.SPAM: "S "}
    assert judged.listed.listing is Listing.DENIED
    assert dict(judged.origins)["banned_rules"] == "a@b, f: [[table]] 1; f: [[table]] 2"


def test_equal_answers_share_one_policy() -> None:
    """However many addresses there are for one key."""
    policies = Policies(Settings(tables=(HASH,)))
    first, second = (policies.policy(f"{name}@example.com", Traffic.INBOUND) for name in "ab")
    assert first is second


def test_banks_have_files_and_expressions_too(tmp_path: Path) -> None:
    """Networks in their order, hosts and senders by the closest key."""
    (tmp_path / "networks").write_text("!192.0.2.7\n192.0.2.0/24\n")
    (tmp_path / "senders").write_text("@example.com\n!user@example.com\n/^news-/\n")
    file = tmp_path / "milterguard.toml"
    file.write_text(
        f"[bank.NET]\nwhen = {{ network = 'file:{tmp_path}/networks' }}\n"
        f"[bank.FROM]\nwhen = {{ sender = ['file:{tmp_path}/senders', '<>'] }}\n"
        "[bank.HELO]\nwhen = { helo = ['.example.com', '!mx.example.com', '/^dsl-[0-9]+/'] }\n"
    )
    policies = Policies(load(file, environ={}).settings)

    def chosen(address: str, helo: str, sender: str) -> tuple[str, ...]:
        return policies.banks(Client(address, 25, helo=helo), sender, Traffic.INBOUND)

    assert chosen("192.0.2.8", "www.example.com", "a@example.com") == ("NET", "FROM", "HELO")
    assert chosen("192.0.2.7", "mx.example.com", "user+x@example.com") == ()
    assert chosen("198.51.100.1", "DSL-7.isp.example", "") == ("FROM", "HELO")
    assert chosen("198.51.100.1", "isp.example", "News-7@example.org") == ("FROM",)


KEYS = ["user+x@example.com", "user@example.com", "user+x@", "user@", "@example.com", "@.example.com", "@.com", "@."]
_ROWS = st.dictionaries(st.sampled_from(KEYS), st.one_of(st.floats(0, 99), st.just(UNDEFINED), st.none()))


@given(st.lists(_ROWS, max_size=4), st.randoms(use_true_random=False))
def test_the_first_table_with_a_value_holds(hashes: list[dict[str, object]], random: randoms.Random) -> None:
    """Of each hash the closest key, whatever the order of its keys."""
    expected: object = DEFAULT
    for rows in hashes:
        said = next((rows[key] for key in KEYS if key in rows), UNDEFINED)
        if said is not UNDEFINED:
            expected = said
            break
    shuffled = [random.sample(list(rows.items()), len(rows)) for rows in hashes]
    found = level("user+x@example.com", *(table(TableKind.HASH, *rows) for rows in shuffled))
    assert found == expected


ALL_KINDS = (
    HASH,
    table(TableKind.LIST, ("!/(a|a)*x/", True), ("@example.com", True), setting="spam_lover"),
    table(TableKind.REGEXP, ("(?s)^(.*)@(.*)$", Template("$1 at $2")), setting="spam_subject_tag"),
    table(TableKind.REGEXP, ("(?s)^(.*)$", Template({"spam": "$1"})), setting="addr_rewrite"),
    table(TableKind.CONSTANT, ("", 5.0)),
)


@given(st.text())
def test_any_address_has_a_policy(address: str) -> None:
    """Whatever is asked, and whatever is made of it is one line."""
    rules = (RecipientRule(("/(a|a)*x/", "!@.b", "@."), (("spam_lover", True),)),)
    policy = Policies(Settings(tables=ALL_KINDS, recipients=rules)).policy(address, Traffic.INBOUND)
    assert "\n" not in policy.spam_subject_tag
    assert "\r" not in policy.spam_subject_tag


@pytest.mark.parametrize("piece", ["a", "a.", "@", '"', "é"])
def test_time_is_linear(piece: str) -> None:
    """A megabyte of an attacker's address takes a moment."""
    policies = Policies(Settings(tables=ALL_KINDS))
    started = time.process_time()
    policies.policy(piece * (1_000_000 // len(piece)) + "@x.example", Traffic.INBOUND)
    assert time.process_time() - started < 10
