# SPDX-License-Identifier: GPL-3.0-or-later
"""amavis' columns, and what they say in our words."""

from typing import Any

import pytest

from milterguard.config.schema import recipient_entries
from milterguard.core.finding import Category
from milterguard.lookup.amavis import COLUMNS, IGNORED, Unreadable, attribute_of, is_yes, settings_of
from milterguard.store.schema import policy as table

NOT_A_SETTING = {"id", "policy_name"}


def said(**row: Any) -> list[tuple[str, object]]:
    return list(settings_of(row))


def test_every_column_of_the_table_has_a_meaning_or_a_reason() -> None:
    """None is left to guess about."""
    assert {column.name for column in table.columns} - NOT_A_SETTING <= {*COLUMNS, *IGNORED}
    assert not set(COLUMNS) & set(IGNORED)


def test_every_column_is_a_setting_for_recipients() -> None:
    """Of ours, by its name."""
    assert {column.setting for column in COLUMNS.values()} <= set(recipient_entries())


@pytest.mark.parametrize(
    ("row", "settings"),
    [
        ({"virus_lover": "Y", "banned_files_lover": "n"}, [("virus_lover", True), ("banned_lover", False)]),
        ({"bypass_spam_checks": " "}, []),
        ({"spam_tag2_level": 5, "spam_kill_level": "6.5"}, [("spam_tag2_level", 5.0), ("spam_kill_level", 6.5)]),
        ({"spam_tag_level": ""}, []),
        ({"spam_tag_level": None, "id": 7, "fullname": "x"}, []),
        ({"spam_subject_tag2": b"[spam] "}, [("spam_subject_tag", "[spam] ")]),
        ({"banned_rulenames": "ALLOW_EXE, DEFAULT"}, [("banned_rules", ("ALLOW_EXE", "DEFAULT"))]),
        ({"addr_extension_spam": "spam"}, [("addr_extension", ((Category.SPAM, "spam"),))]),
        ({"virus_quarantine_to": ""}, [("quarantine_to", ((Category.VIRUS, ""),))]),
        ({"message_size_limit": 1e6}, [("message_size_limit", 1000000)]),
        ({"message_size_limit": -1}, [("message_size_limit", 0)]),
    ],
)
def test_a_row_says_what_is_not_null(row: dict[str, Any], settings: list[tuple[str, object]]) -> None:
    """Flags in any spelling, levels as numbers or text, tables category by category."""
    assert said(**row) == settings


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"virus_lover": "maybe"}, "virus_lover: expected Y or N, found 'MAYBE'"),
        ({"spam_kill_level": "high"}, "spam_kill_level: expected a number, found 'high'"),
        ({"spam_kill_level": "nan"}, "spam_kill_level: expected a finite number"),
        ({"spam_subject_tag": "a\nb"}, "spam_subject_tag: expected one line of printable text"),
        ({"spam_subject_tag": "x" * 2000}, "spam_subject_tag: expected one line of printable text"),
    ],
)
def test_a_value_that_does_not_fit_is_told(row: dict[str, Any], message: str) -> None:
    """With its column."""
    with pytest.raises(Unreadable) as error:
        said(**row)
    assert str(error.value) == message


@pytest.mark.parametrize(("flag", "meaning"), [("1", True), (b"Y", True), ("FALSE", False), (0, False), ("", None)])
def test_flags(flag: object, meaning: bool | None) -> None:
    """amavis' Y and N, LDAP's TRUE and FALSE, numbers."""
    assert is_yes(flag) is meaning


@pytest.mark.parametrize(
    ("column", "attribute"),
    [
        ("virus_lover", "amavisVirusLover"),
        ("banned_files_lover", "amavisBannedFilesLover"),
        ("spam_tag2_level", "amavisSpamTag2Level"),
        ("bypass_header_checks", "amavisBypassHeaderChecks"),
        ("spam_subject_tag2", "amavisSpamSubjectTag2"),
        ("addr_extension_bad_header", "amavisAddrExtensionBadHeader"),
        ("warnbadhrecip", "amavisWarnBadHeaderRecip"),
        ("message_size_limit", "amavisMessageSizeLimit"),
        ("banned_rulenames", "amavisBannedRuleNames"),
    ],
)
def test_attributes_are_columns_in_other_spelling(column: str, attribute: str) -> None:
    """amavis' LDAP schema."""
    assert attribute_of(column) == attribute
