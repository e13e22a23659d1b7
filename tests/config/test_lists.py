# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists wherever they stand in the settings, and the files that they name."""

from pathlib import Path

import pytest

from milterguard.config.list_file import FileUse, ListKind
from milterguard.config.load import Loaded, load
from milterguard.errors import ConfigError

FILE = "DIR/list"
PLACES = {
    "local.domains": "[local]\ndomains = ['{}']",
    "local.networks": "[local]\nnetworks = ['{}']",
    "recipient[1].match": "[[recipient]]\nmatch = ['{}']\nspam_lover = true",
    "recipient[1].deny_senders": "[[recipient]]\nmatch = ['@.']\ndeny_senders = ['{}']",
    "policy.deny_senders": "[policy]\ndeny_senders = ['{}']",
    "policy.allow_senders": "[policy]\nallow_senders = {{ value = ['{}'], shadow = true }}",
    "policy.score_senders": "[policy]\nscore_senders = {{ '{}' = 2 }}",
    "bank.A.allow_senders": "[bank.A]\nwhen = {{ tls = true }}\nallow_senders = ['{}']",
    "bank.A.when.network": "[bank.A]\nwhen = {{ network = '{}' }}",
    "bank.A.when.helo": "[bank.A]\nwhen = {{ helo = ['{}'] }}",
    "bank.A.when.sender": "[bank.A]\nwhen = {{ sender = ['{}'] }}",
    "table[1].list": "[[table]]\nsetting = 'spam_lover'\nlist = ['{}']",
    "table[1].hash.deny_senders": "[[table]]\nsetting = 'deny_senders'\nhash = {{ '@.' = ['{}'] }}",
}
"""Keys, and settings with a list in that place."""


def _load(directory: Path, text: str) -> Loaded:
    file = directory / "milterguard.toml"
    file.write_text(text.replace("DIR", str(directory)), encoding="utf-8")
    return load(file, environ={})


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("entry", ["*", "file:list", "/(/", "file:"])
def test_an_entry_that_is_none_is_told_with_its_place(tmp_path: Path, place: str, entry: str) -> None:
    """File and key of the list."""
    with pytest.raises(ConfigError) as error:
        _load(tmp_path, PLACES[place].format(entry))
    assert error.value.file == str(tmp_path / "milterguard.toml")
    assert error.value.key == place


@pytest.mark.parametrize("place", PLACES)
def test_a_file_that_is_missing_or_broken_is_told_at_the_start(tmp_path: Path, place: str) -> None:
    """With its own name and the line; a missing one with who names it."""
    settings = PLACES[place].format(f"file:{FILE}")
    list_file = tmp_path / "list"
    with pytest.raises(ConfigError) as error:
        _load(tmp_path, settings)
    assert error.value.file == str(list_file)
    assert (error.value.expected, error.value.got) == ("a readable file", "No such file or directory")
    assert error.value.key == f"named in {tmp_path / 'milterguard.toml'}: {place}"
    list_file.write_text("# first\n*\n")
    with pytest.raises(ConfigError) as error:
        _load(tmp_path, settings)
    assert (error.value.file, error.value.key) == (str(list_file), "line 2")


@pytest.mark.parametrize("place", PLACES)
def test_what_a_file_holds_is_kept_with_the_settings(tmp_path: Path, place: str) -> None:
    """For workers that are born while somebody edits it."""
    entry = {"network": "10.0.0.0/8", "domains": "example.com", "helo": "example.com"}.get(
        place.rpartition(".")[2].removesuffix("s") if "network" in place else place.rpartition(".")[2], "@example.com"
    )
    (tmp_path / "list").write_text(f"!{entry}\n")
    [file] = _load(tmp_path, PLACES[place].format(f"file:{FILE}")).settings.files
    assert file.use.path == str(tmp_path / "list")
    assert [line[:2] for line in file.lines] == [(entry, True)]


def test_a_file_is_read_once_for_each_use(tmp_path: Path) -> None:
    """However many lists name it."""
    (tmp_path / "list").write_text("@example.com\n")
    text = "[policy]\ndeny_senders = ['file:DIR/list']\n" + "".join(
        f"[[recipient]]\nmatch = ['{name}@', 'file:DIR/list']\nspam_lover = true\n" for name in ("a", "b")
    )
    path = str(tmp_path / "list")
    uses = {file.use for file in _load(tmp_path, text).settings.files}
    assert uses == {FileUse(path, ListKind.SENDERS), FileUse(path, ListKind.RECIPIENTS)}


@pytest.mark.parametrize(
    "text",
    [
        "[local]\ndomains = ['!example.com']",
        "[[recipient]]\nmatch = ['!@example.com', '!user@']\nspam_lover = true",
        "[bank.A]\nwhen = { network = '!10.0.0.0/8' }",
    ],
)
def test_exceptions_from_nothing_are_a_slip(tmp_path: Path, text: str) -> None:
    """Who writes them means the contrary of nobody."""
    with pytest.raises(ConfigError, match="an entry without !"):
        _load(tmp_path, text)


def test_an_exception_within_a_bracket_is_none(tmp_path: Path) -> None:
    """An even number of ! makes none."""
    assert _load(tmp_path, "[local]\ndomains = ['!!example.com']").settings.local.domains == ("!!example.com",)


def test_the_environment_names_files_too(tmp_path: Path) -> None:
    """And is told as the origin."""
    environ = {"MILTERGUARD_LOCAL_DOMAINS": "example.com, file:/no/such/file"}
    with pytest.raises(ConfigError) as error:
        load(None, environ=environ)
    assert error.value.file == "/no/such/file"
    assert error.value.key == "named in environment MILTERGUARD_LOCAL_DOMAINS: local.domains"
