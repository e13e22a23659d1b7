# SPDX-License-Identifier: GPL-3.0-or-later
"""What amavis' attributes of an entry say about a recipient."""

from collections.abc import Mapping, Sequence

import pytest

from milterguard.config.query_filter import KeyPlace
from milterguard.core.finding import Category
from milterguard.lookup.amavis import Unreadable
from milterguard.lookup.layer import Layer
from milterguard.lookup.ldap_entry import (
    ATTRIBUTES,
    LOCAL,
    MODIFIES_SUBJECT,
    SENDERS,
    UNUSED,
    USED,
    Entry,
    entries_of,
    layers_of,
    sender_entry,
)
from tests.daemons import slapd

_MAIL = (KeyPlace("mail", "", ""),)
GIVEN: Mapping[str, tuple[str, str, object]] = {
    "amavisVirusLover": ("TRUE", "virus_lover", True),
    "amavisSpamLover": ("FALSE", "spam_lover", False),
    "amavisUncheckedLover": ("TRUE", "unchecked_lover", True),
    "amavisBannedFilesLover": ("TRUE", "banned_lover", True),
    "amavisBadHeaderLover": ("TRUE", "bad_header_lover", True),
    "amavisBypassVirusChecks": ("TRUE", "bypass_virus_checks", True),
    "amavisBypassSpamChecks": ("TRUE", "bypass_spam_checks", True),
    "amavisBypassBannedChecks": ("FALSE", "bypass_banned_checks", False),
    "amavisBypassHeaderChecks": ("TRUE", "bypass_header_checks", True),
    "amavisSpamTagLevel": ("-10", "spam_tag_level", -10.0),
    "amavisSpamTag2Level": ("5.5", "spam_tag2_level", 5.5),
    "amavisSpamTag3Level": ("8", "spam_tag3_level", 8.0),
    "amavisSpamKillLevel": ("6.31", "spam_kill_level", 6.31),
    "amavisSpamQuarantineCutoffLevel": ("20", "spam_quarantine_cutoff_level", 20.0),
    "amavisSpamSubjectTag": ("[maybe] ", "spam_subject_tag1", "[maybe] "),
    "amavisSpamSubjectTag2": ("[spam] ", "spam_subject_tag", "[spam] "),
    "amavisSpamSubjectTag3": ("[SPAM] ", "spam_subject_tag3", "[SPAM] "),
    "amavisMessageSizeLimit": ("1048576", "message_size_limit", 1048576),
    "amavisBannedRuleNames": ("STRICT,DEFAULT", "banned_rules", ("STRICT", "DEFAULT")),
    "amavisAddrExtensionVirus": ("virus", "addr_extension", ((Category.VIRUS, "virus"),)),
    "amavisAddrExtensionSpam": ("spam", "addr_extension", ((Category.SPAM, "spam"),)),
    "amavisAddrExtensionBanned": ("banned", "addr_extension", ((Category.BANNED, "banned"),)),
    "amavisAddrExtensionBadHeader": ("badh", "addr_extension", ((Category.BAD_HEADER, "badh"),)),
    "amavisVirusQuarantineTo": ("vv", "quarantine_to", ((Category.VIRUS, "vv"),)),
    "amavisSpamQuarantineTo": ("ss", "quarantine_to", ((Category.SPAM, "ss"),)),
    "amavisBannedQuarantineTo": ("bb", "quarantine_to", ((Category.BANNED, "bb"),)),
    "amavisUncheckedQuarantineTo": ("uu", "quarantine_to", ((Category.UNCHECKED, "uu"),)),
    "amavisBadHeaderQuarantineTo": ("hh", "quarantine_to", ((Category.BAD_HEADER, "hh"),)),
    "amavisCleanQuarantineTo": ("cc", "quarantine_to", ((Category.CLEAN, "cc"),)),
    "amavisWhitelistSender": ("friend@example.net", "allow_senders", ("friend@example.net",)),
    "amavisBlacklistSender": (".example.org", "deny_senders", ("@.example.org",)),
}
"""A value of each attribute that is a setting, with key and value that it gives."""


def layers(*entries: Entry) -> tuple[Layer, ...]:
    """Return what entries say, none of which may be unreadable."""
    told: list[str] = []
    found = layers_of(entries, told.append)
    assert told == []
    return found


def entry(name: str = "a", /, **attributes: str | Sequence[str]) -> Entry:
    values = {key: [value] if isinstance(value, str) else value for key, value in attributes.items()}
    return Entry(
        f"cn={name}",
        f"{name}@example.com",
        tuple((key, tuple(each.encode() for each in value)) for key, value in values.items()),
    )


def test_all_of_amavis_attributes_are_known() -> None:
    """The schema has 47; each is used, or there is a reason why not."""
    assert len(slapd.ATTRIBUTES) == 47
    assert sorted(ATTRIBUTES) == sorted(slapd.ATTRIBUTES)
    assert set(GIVEN) | {LOCAL, MODIFIES_SUBJECT} | set(UNUSED) == set(ATTRIBUTES)
    assert set(GIVEN) == {*USED, *SENDERS}
    assert all(UNUSED.values())


@pytest.mark.parametrize("attribute", GIVEN)
def test_an_attribute_is_a_setting(attribute: str) -> None:
    """Each gives its own key and value."""
    text, key, value = GIVEN[attribute]
    (layer,) = layers(entry(**{attribute: text}))
    assert layer.settings == ((key, value),)
    assert layer.origin == "LDAP cn=a (a@example.com)"


@pytest.mark.parametrize("attribute", UNUSED)
def test_an_attribute_without_meaning_is_none(attribute: str) -> None:
    """It gives nothing and is no slip."""
    (layer,) = layers(entry(**{attribute: "x"}))
    assert layer.settings == ()


@pytest.mark.parametrize("key", ["a@example.com", "@.example.com", "@.", ""])
@pytest.mark.parametrize(("text", "is_local"), [("TRUE", True), ("FALSE", False)])
def test_locality(text: str, is_local: bool, key: str) -> None:
    """amavisLocal says whether a recipient is ours."""
    (layer,) = layers(Entry("cn=a", key, (("amavisLocal", (text.encode(),)),)))
    assert (layer.settings, layer.is_local) == ((), is_local)


@pytest.mark.parametrize(
    ("key", "is_local"), [("a@example.com", True), ("@.example.com", True), ("@.", None), ("", None)]
)
def test_who_has_an_entry_is_ours(key: str, is_local: bool | None) -> None:
    """Without amavisLocal, unless the entry is everybody's."""
    (layer,) = layers(Entry("cn=a", key, (("amavisSpamLover", (b"TRUE",)),)))
    assert layer.is_local is is_local


def test_an_entry_of_everybody_that_says_nothing_is_none() -> None:
    """Nothing is made of it."""
    assert layers(Entry("cn=a", "@.", ())) == ()


def test_tables_by_category_are_put_together() -> None:
    """Extensions and folders of several attributes are one table each."""
    (layer,) = layers(entry(amavisAddrExtensionSpam="s", amavisAddrExtensionVirus="v", amavisVirusQuarantineTo="qq"))
    settings = dict(layer.settings)
    assert settings["addr_extension"] == ((Category.VIRUS, "v"), (Category.SPAM, "s"))
    assert settings["quarantine_to"] == ((Category.VIRUS, "qq"),)


def test_lists_have_several_values() -> None:
    """Of senders, and of banned rule sets."""
    (layer,) = layers(entry(amavisBlacklistSender=["x@example.net", "example.org"], amavisBannedRuleNames=["A", "B C"]))
    settings = dict(layer.settings)
    assert settings["deny_senders"] == ("x@example.net", "@example.org")
    assert settings["banned_rules"] == ("A", "B", "C")


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ("user@example.com", "user@example.com"),
        ("@example.com", "@example.com"),
        ("@.example.com", "@.example.com"),
        (".example.com", "@.example.com"),
        ("example.com", "@example.com"),
        (" example.com ", "@example.com"),
        (".", "@."),
        ("@.", "@."),
        ("user@", "user@"),
        ("<>", "<>"),
        ("[192.0.2.1]", "@[192.0.2.1]"),
    ],
)
def test_senders_as_amavis_writes_them(written: str, ours: str) -> None:
    """Addresses and domains, with and without @."""
    assert sender_entry(written) == ours


@pytest.mark.parametrize("written", ["", "a b", "*", "@", "user@exa mple", "x" * 400])
def test_what_is_no_sender_is_told(written: str) -> None:
    """It would never match."""
    with pytest.raises(Unreadable, match="expected user@example"):
        sender_entry(written)


@pytest.mark.parametrize(
    ("attribute", "values", "reason"),
    [
        ("amavisVirusLover", ["perhaps"], "expected Y or N, found 'PERHAPS'"),
        ("amavisVirusLover", ["TRUE", "FALSE"], "expected one value, found 2"),
        ("amavisLocal", ["here"], "expected Y or N, found 'HERE'"),
        ("amavisSpamModifiesSubj", ["never"], "expected Y or N, found 'NEVER'"),
        ("amavisSpamKillLevel", ["high"], "expected a number, found 'high'"),
        ("amavisSpamKillLevel", ["nan"], "expected a finite number"),
        ("amavisSpamSubjectTag2", ["a\r\nBcc: x"], "expected one line of printable text"),
        ("amavisWhitelistSender", ["a b"], "expected user@example.com"),
    ],
)
def test_a_value_that_cannot_be_read_is_told_and_not_said(attribute: str, values: list[str], reason: str) -> None:
    """The other attributes of the entry hold all the same."""
    told: list[str] = []
    (layer,) = layers_of([entry("a", amavisSpamLover="TRUE", **{attribute: values})], told.append)
    assert layer.settings == (("spam_lover", True),)
    (line,) = told
    assert line.startswith(f"LDAP cn=a (a@example.com): {attribute} is not used: ")
    assert reason in line
    assert line.isprintable()


def test_no_subject_tags_where_the_subject_stays() -> None:
    """amavisSpamModifiesSubj FALSE empties the tags, those of closer entries too; what else they say holds."""
    close = entry("close", amavisSpamSubjectTag2="[x] ", amavisSpamLover="TRUE")
    far = entry("far", amavisSpamModifiesSubj="FALSE", amavisSpamSubjectTag3="[y] ")
    first, second = layers(close, far)
    assert first.settings == (("spam_lover", True),)
    assert dict(second.settings) == {"spam_subject_tag1": "", "spam_subject_tag": "", "spam_subject_tag3": ""}


def test_the_closest_word_about_the_subject_decides() -> None:
    """A closer TRUE lets the tags be, whatever a farther entry says."""
    close = entry("close", amavisSpamModifiesSubj="TRUE", amavisSpamSubjectTag2="[x] ")
    first, second = layers(close, entry("far", amavisSpamModifiesSubj="FALSE"))
    assert first.settings == (("spam_subject_tag", "[x] "),)
    assert second.settings == ()


def test_entries_come_by_their_keys() -> None:
    """The closest key decides, then the DN; what stands under none of them comes last."""
    found = {
        "cn=none": {"cn": [b"x"]},
        "cn=all": {"mail": [b"@."]},
        "cn=domain": {"mail": [b"@Example.COM", b"@."]},
        "cn=user": {"Mail": [b"other@example.com", b"USER@example.com"]},
        "cn=another": {"mail": [b"@."]},
    }
    entries = entries_of(found.items(), ("user@example.com", "@example.com", "@."), _MAIL)
    assert [(each.dn, each.key) for each in entries] == [
        ("cn=user", "user@example.com"),
        ("cn=domain", "@example.com"),
        ("cn=all", "@."),
        ("cn=another", "@."),
        ("cn=none", ""),
    ]


def test_keys_are_seen_within_values() -> None:
    """What the filter has about the key is no part of it."""
    places = (KeyPlace("proxyAddresses", "smtp:", ""),)
    found = {"cn=a": {"proxyAddresses": [b"x400:y", b"SMTP:user@example.com"]}}
    assert entries_of(found.items(), ("user@example.com",), places)[0].key == "user@example.com"


def test_attributes_are_known_in_any_spelling() -> None:
    """LDAP does not tell A from a; what is not amavis' is left out."""
    (only,) = entries_of([("cn=a", {"AMAVISviruslover": [b"TRUE"], "sn": [b"x"], "amavisX": [b"y"]})], (), ())
    assert only.values == (("amavisVirusLover", (b"TRUE",)),)
    assert only == entries_of([("cn=a", {"amavisVirusLover": [b"TRUE"]})], (), ())[0]


def test_an_origin_is_harmless() -> None:
    """A DN and a key may hold anything; what is shown is one line of printable text, and short."""
    (layer,) = layers(Entry("cn=a\r\nX: \x1b[2J\u202e" + "x" * 1000, "k\n", (("amavisSpamLover", (b"TRUE",)),)))
    assert layer.origin.isprintable()
    assert len(layer.origin) < 600
