# SPDX-License-Identifier: GPL-3.0-or-later
"""One table of addresses or domains: what decides in it."""

import random as randoms
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.list_file import FileUse, ListKind
from milterguard.config.list_reader import read_list
from milterguard.lookup.address import domain_keys, match_keys
from milterguard.lookup.live_file import LiveFiles
from milterguard.lookup.table import CATCH_ALL, EXACT, EXPRESSION, Table


def found(entries: Sequence[str], address: str) -> str | None:
    hit = Table((text, None) for text in entries).find(match_keys(address, delimiter="+"))
    return hit[0] if hit else None


@pytest.mark.parametrize(
    ("entries", "address", "entry"),
    [
        (["@.", "/user/", "@example.com", "user@example.com"], "user@example.com", "user@example.com"),
        (["@.", "/user/", "@example.com"], "user@example.com", "@example.com"),
        (["@.", "/user/", "/example/"], "user@example.com", "/user/"),
        (["@.", "/other/", "/example/"], "user@example.com", "/example/"),
        (["@.", "/other/"], "user@example.com", "@."),
        (["/other/"], "user@example.com", None),
        (["@example.com", "!user@example.com"], "user@example.com", None),
        (["!user@example.com", "@example.com"], "user@example.com", None),
        (["!user@example.com", "@example.com"], "user+x@example.com", None),
        (["!user@example.com", "@example.com"], "other@example.com", "@example.com"),
        (["!!user@example.com"], "user@example.com", "!!user@example.com"),
        (["!@example.com", "user@example.com"], "user@example.com", "user@example.com"),
        (["!/user/", "@."], "user@example.com", None),
        (["!@.", "/user/"], "user@example.com", "/user/"),
        (["!@.", "/user/"], "other@example.com", None),
        (["a@b", "!A@B"], "a@b", None),
        (["!a@b", "A@B"], "a@b", "A@B"),
        (["/USER/"], "user@example.com", "/USER/"),
        (["/(?-i)USER/"], "user@example.com", None),
        (["/^$/"], "", "/^$/"),
        (["<>"], "", "<>"),
        (["<>"], "a@b", None),
        (["@."], "", "@."),
        (["!<>", "@."], "", None),
        (["/(/", "@."], "user@example.com", "@."),
        (["file:/etc/passwd", "@."], "user@example.com", "@."),
    ],
)
def test_the_closest_entry_decides(entries: Sequence[str], address: str, entry: str | None) -> None:
    """Whatever their order; what cannot be understood, or is a file that nobody named, is not there."""
    assert found(entries, address) == entry


def table_of(directory: Path, content: str, entries: Sequence[tuple[str, object]], kind: ListKind) -> Table[object]:
    """Return a table; ``FILE`` in an entry is a file with this content."""
    path = directory / "entries"
    path.write_text(content)
    files = LiveFiles([read_list(FileUse(str(path), kind, "spam_kill_level"))])
    named = [(text.replace("FILE", f"file:{path}"), value) for text, value in entries]
    return Table(named, files=files, kind=kind, setting="spam_kill_level")


@pytest.mark.parametrize(
    ("content", "entries", "address", "entry"),
    [
        ("user@example.com", ["FILE"], "user@example.com", "user@example.com in PATH"),
        ("user@example.com", ["FILE", "@example.com"], "user@example.com", "user@example.com in PATH"),
        ("@example.com", ["FILE", "user@example.com"], "user@example.com", "user@example.com"),
        ("!user@example.com", ["FILE", "@example.com"], "user@example.com", None),
        ("user@example.com", ["FILE", "!user@example.com"], "user@example.com", None),
        ("user@example.com", ["!user@example.com", "FILE"], "user@example.com", None),
        ("user@example.com", ["!FILE", "@example.com"], "user@example.com", None),
        ("!user@example.com", ["!FILE", "@."], "user@example.com", "!user@example.com in PATH"),
        ("/^user@/", ["/example/", "FILE"], "user@example.com", "/example/"),
        ("/^user@/", ["FILE", "/example/"], "user@example.com", "/^user@/ in PATH"),
        ("/^user@/", ["!FILE", "/example/"], "user@example.com", None),
        ("@.", ["FILE", "/example/"], "user@example.com", "/example/"),
        ("@.", ["FILE", "/other/"], "user@example.com", "@. in PATH"),
        ("a@b\n!A@b", ["FILE", "@."], "a@b", None),
        ("", ["FILE"], "a@b", None),
    ],
)
def test_a_file_stands_for_its_entries(
    tmp_path: Path, content: str, entries: Sequence[str], address: str, entry: str | None
) -> None:
    """But those of the list hold before them; the entry is told with its file."""
    table = table_of(tmp_path, content, [(each, None) for each in entries], ListKind.SENDERS)
    hit = table.find(match_keys(address, delimiter="+"))
    assert (hit[0] if hit else None) == (entry and entry.replace("PATH", str(tmp_path / "entries")))
    assert bool(table) is True


def test_a_line_without_a_value_has_that_of_its_list(tmp_path: Path) -> None:
    """As score_senders has it: { "file:/PATH" = 3.0 }."""
    table = table_of(tmp_path, "a@b\nc@d -1\n/x/ 2\n/y/", [("FILE", 3.0)], ListKind.SCORES)
    values = {
        address: hit[1] for address in ("a@b", "c@d", "x@z", "y@z", "z@z") if (hit := table.find(match_keys(address)))
    }
    assert values == {"a@b": 3.0, "c@d": -1.0, "x@z": 2.0, "y@z": 3.0}


def test_unset_is_a_value(tmp_path: Path) -> None:
    """A level that is switched off for somebody."""
    table = table_of(tmp_path, "a@b unset", [("FILE", True)], ListKind.VALUES)
    hit = table.find(match_keys("a@b"))
    assert hit is not None
    assert hit[1] is None


def test_how_close_an_entry_is_can_be_compared() -> None:
    """Keys before expressions before the catch-all, and those in their order."""
    table = Table((text, None) for text in ("@.", "/^x/", "/^y/", "@example.com", "user@example.com"))
    addresses = ("user@example.com", "a@example.com", "x@example.org", "y@example.org", "a@example.org")
    ranks = [hit.rank for address in addresses if (hit := table.match(match_keys(address)))]
    assert ranks == sorted(ranks)
    assert [kind for kind, _ in ranks] == [EXACT, EXACT, EXPRESSION, EXPRESSION, CATCH_ALL]


@pytest.mark.parametrize(
    ("domain", "is_found"),
    [
        ("example.com", True),
        ("www.example.com", True),
        ("lab.example.com", False),
        ("x.lab.example.com", True),
        ("bücher.example", True),
        ("mail7.example.net", True),
        ("mail.example.net", False),
        ("", False),
    ],
)
def test_domains_have_a_table_too(domain: str, is_found: bool) -> None:
    """Without an @, with expressions and exceptions."""
    entries = (".example.com", "!lab.example.com", "Bücher.example", r"/^mail\d/")
    table = Table(((text, None) for text in entries), kind=ListKind.DOMAINS)
    keys = (domain, *domain_keys("xn--bcher-kva.example" if domain.startswith("b") else domain))
    assert (table.find(keys) is not None) is is_found


_ENTRY = st.sampled_from(
    ["user@example.com", "user+x@example.com", "user@", "@example.com", "@.example.com", "@.com", "@.", "other@"]
)


@given(st.dictionaries(_ENTRY, st.booleans()), st.randoms(use_true_random=False), st.sampled_from(["user", "user+x"]))
def test_the_order_of_keys_is_of_no_account(entries: dict[str, bool], random: randoms.Random, user: str) -> None:
    """Turned as one likes, the same entry decides: the first of the keys that is there, unless it is an exception."""
    texts = [f"!{key}" if is_exception else key for key, is_exception in entries.items()]
    random.shuffle(texts)
    first = next((key for key in match_keys(f"{user}@example.com", delimiter="+") if key in entries), None)
    assert found(texts, f"{user}@example.com") == (None if first is None or entries[first] else first)


@given(st.text(), st.lists(st.text(max_size=20), max_size=5))
def test_whatever_is_asked_there_is_an_answer(address: str, entries: list[str]) -> None:
    """Whatever the entries: some come from a directory."""
    found(entries, address)


@pytest.mark.parametrize("piece", ["a", "a.", "@", '"', "\\", "é", "\ud800"])
def test_time_is_linear(piece: str) -> None:
    """A megabyte of an attacker's address takes a moment, with expressions as well."""
    table = Table((text, None) for text in ("/(a+)+$/", r"/(.*a){20}$/", "/(a|aa)+@x/", "@example.com"))
    address = piece * (1_000_000 // len(piece)) + "@x.example"
    started = time.process_time()
    table.find(match_keys(address, delimiter="+"))
    assert time.process_time() - started < 10


def test_a_hundred_thousand_addresses_are_a_moment(tmp_path: Path) -> None:
    """Read in seconds on the slowest machine, looked up in microseconds."""
    path = tmp_path / "many"
    path.write_text("".join(f"user{number}@sub{number % 999}.example.com\n" for number in range(100_000)))
    started = time.process_time()
    files = LiveFiles([read_list(FileUse(str(path), ListKind.SENDERS))])
    table = Table([(f"file:{path}", None)], files=files)
    assert time.process_time() - started < 10
    keys = [match_keys(f"user{number}@sub7.example.com") for number in range(10_000)]
    started = time.process_time()
    hits = sum(table.find(each) is not None for each in keys)
    assert time.process_time() - started < 1
    assert hits == len([number for number in range(10_000) if number % 999 == 7])
