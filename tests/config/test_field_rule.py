# SPDX-License-Identifier: GPL-3.0-or-later
"""``[[field]]`` and texts by category as an operator writes them, and what he is told about a slip."""

from pathlib import Path

import pytest

from milterguard.config.load import Loaded, load
from milterguard.config.written import show
from milterguard.core.custom import Action, FieldRule
from milterguard.core.envelope import Traffic
from milterguard.core.finding import Category
from milterguard.errors import ConfigError


def loaded(directory: Path, text: str) -> Loaded:
    file = directory / "milterguard.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ={})


def field(**keys: str) -> str:
    return "[[field]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


GOOD = {"action": '"add"', "name": '"X-New"', "value": '"x"'}


def test_every_key_is_read(tmp_path: Path) -> None:
    """One word or several; what is left out holds for all."""
    text = field(**GOOD, category='["spam", "spammy"]', traffic='"inbound"', only_ours="false")
    text += field(action='"replace"', name='"Reply-To"', value='"a@b.example"', breaks_signatures="true")
    text += field(action='"remove"', name='"X-Old"')
    first, second, third = loaded(tmp_path, text).settings.fields
    assert first == FieldRule(
        Action.ADD,
        "X-New",
        "x",
        categories=(Category.SPAM, Category.SPAMMY),
        traffics=(Traffic.INBOUND,),
        only_ours=False,
        origin=f"{tmp_path}/milterguard.toml: [[field]] 1",
    )
    assert (second.action, second.name, second.value) == (Action.REPLACE, "Reply-To", "a@b.example")
    assert (third.categories, third.traffics, third.only_ours, third.value) == ((), (), True, "")


def test_entries_of_all_files_add_up(tmp_path: Path) -> None:
    """In their order, and ``config show`` tells them with their origin."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text(field(action='"remove"', name='"X-Old"'))
    both = loaded(tmp_path, field(**GOOD))
    assert [each.name for each in both.settings.fields] == ["X-New", "X-Old"]
    rows = {name: (value, origin) for name, value, origin in show(both)}
    assert rows["field[1]"][0] == '{ action = "add", name = "X-New", value = "x" }'
    assert rows["field[2]"] == ('{ action = "remove", name = "X-Old" }', f"{tmp_path}/conf.d/a.toml: [[field]] 1")


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("[field]\nname = 'X'", "field", "[[field]], in double brackets"),
        ("field = [1]", "field[1]", "a table"),
        (field(name='"X-New"'), "field[1].action", 'expected "add", "remove" or "replace", found none'),
        (field(**GOOD | {"action": '"ad"'}), "field[1].action", 'did you mean "add"?'),
        (field(**GOOD, catgory='"spam"'), "field[1].catgory", 'did you mean "category"?'),
        (field(**GOOD, category='"spamm"'), "field[1].category", 'did you mean "spammy"?'),
        (field(**GOOD, category="[]"), "field[1].category", "an array of"),
        (field(**GOOD, category="[1]"), "field[1].category", "found 1"),
        (field(**GOOD, traffic='"outbound"'), "field[1].traffic", '"inbound", "originating" or "local"'),
        (field(**GOOD, only_ours='"yes"'), "field[1].only_ours", "true or false"),
        (field(**GOOD | {"name": '"X New"'}), "field[1].name", "letters, digits"),
        (field(**GOOD | {"name": '"X-New:"'}), "field[1].name", "letters, digits"),
        (field(**GOOD | {"name": "7"}), "field[1].name", "the name of a field"),
        (field(**GOOD | {"name": '"x-spam-flag"'}), "field[1].name", "[headers] and [policy] do not write"),
        (field(**GOOD | {"name": '"Received"'}), "field[1].name", "neither trace, signatures"),
        (field(**GOOD | {"name": '"DKIM-Signature"'}), "field[1].name", "neither trace, signatures"),
        (field(**GOOD | {"name": '"ARC-Seal"'}), "field[1].name", "neither trace, signatures"),
        (field(**GOOD | {"name": '"From"'}, breaks_signatures="true"), "field[1].name", "neither trace, signatures"),
        (field(**GOOD | {"name": '"Content-Type"'}), "field[1].name", "neither trace, signatures"),
        (field(**GOOD | {"name": '"Subject"'}), "field[1].name", "subject_tag in [policy]"),
        (field(**GOOD | {"name": '"To"'}), "field[1].name", "breaks_signatures = true beside it"),
        (field(**GOOD | {"value": '" "'}), "field[1].value", "a line of printable text"),
        (field(**GOOD | {"value": '"a\\nBcc: x"'}), "field[1].value", "a line of printable text"),
        (field(**GOOD | {"value": f'"{"x" * 501}"'}), "field[1].value", "at most 500"),
        (field(action='"add"', name='"X-New"'), "field[1].value", "a text, found none"),
        (field(action='"remove"', name='"X-New"', value='"x"'), "field[1].value", 'none with action = "remove"'),
        (field(**GOOD) * 51, "field", "at most 50 [[field]], found 51"),
        ("[headers]\nalert_name = 'X-NEW'\n" + field(**GOOD), "headers.alert_name", "a name that no [[field]] has"),
    ],
)
def test_a_slip_is_told(tmp_path: Path, text: str, key: str, message: str) -> None:
    """File, entry, key, what was expected and what was found."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert caught.value.key == key
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("table", "value", "message"),
    [
        ("addr_extension", "a b", "an extension without blanks and @"),
        ("addr_extension", "a@b", "an extension without blanks and @"),
        ("addr_rewrite", "user", "an address such as"),
        ("addr_rewrite", "<user@example.com>", "an address such as"),
        ("always_bcc", "grün@example.com", "an address such as"),
        ("always_bcc", "a@example.com b@example.com", "an address such as"),
        ("quarantine_to", "../etc", "a folder below the quarantine"),
        ("quarantine_to", "/var/q", "a folder below the quarantine"),
        ("quarantine_to", "spam@example.com", "a folder below the quarantine"),
        ("quarantine_to", "v", "a folder below the quarantine"),
    ],
)
@pytest.mark.parametrize("section", ["[policy]", "[bank.B]\nwhen.tls = true", "[[recipient]]\nmatch = ['@.']"])
@pytest.mark.parametrize("form", ['{{ virus = "{}" }}', '{{ value = {{ virus = "{}" }}, shadow = true }}'])
def test_texts_by_category_are_what_they_are_for(
    tmp_path: Path, section: str, table: str, form: str, value: str, message: str
) -> None:
    """Wherever they stand, on trial as well."""
    if section.startswith("[bank") and "shadow" in form:
        section = "[policy]"
    with pytest.raises(ConfigError, match=message) as caught:
        loaded(tmp_path, f"{section}\n{table} = {form.format(value)}")
    assert table in caught.value.key


def test_good_texts_are_taken(tmp_path: Path) -> None:
    """And empty ones: they say that there is none."""
    text = """
    [policy]
    addr_extension = { spam = "+spam", virus = "" }
    addr_rewrite = { banned = "checker@example.com", virus = "" }
    always_bcc = { clean = "archive@[192.0.2.1]" }
    quarantine_to = { virus = "customer.example/virus", spam = ".", banned = "" }
    """
    policy = loaded(tmp_path, text).settings.policy
    assert dict(policy.quarantine_to)[Category.SPAM] == "."
    assert dict(policy.addr_extension) == {Category.SPAM: "+spam", Category.VIRUS: ""}
