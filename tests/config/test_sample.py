# SPDX-License-Identifier: GPL-3.0-or-later
"""What is generated from the settings: it loads, it is complete, and the kept files are fresh."""

import re
import tomllib
from pathlib import Path

import pytest

from milterguard.config.load import Loaded, load
from milterguard.config.sample import main, reference, sample
from milterguard.config.schema import entries, recipient_entries, section_help, sections
from milterguard.config.settings import Settings
from milterguard.config.written import show, toml_value
from milterguard.core.destiny import Destiny

_ROOT = Path(__file__).parents[2]


def _loaded(directory: Path, text: str) -> Loaded:
    file = directory / "milterguard.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ={})


def _live(text: str) -> str:
    """Return the sample with its commented settings made live."""
    return re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)


def test_config_show_has_banks_and_keys(tmp_path: Path) -> None:
    """For which mail a bank is, as one writes it; of a key all but what is in its file."""
    file = tmp_path / "milterguard.toml"
    file.write_text(
        "[bank.X]\nwhen = { authenticated = true, sender = ['@x.example'], traffic = 'inbound' }\nspam_lover = true\n"
        "[[dkim_key]]\ndomain = 'x.example'\nselector = 's'\nfile = '/k.pem'\nsubdomains = true\n"
    )
    rows = {key: value for key, value, _ in show(load(file, environ={}))}
    assert rows["bank.X.when"] == '{ authenticated = true, sender = ["@x.example"], traffic = ["inbound"] }'
    assert rows["dkim_key[1]"] == '{ domain = "x.example", selector = "s", file = "/k.pem", subdomains = true }'


def test_the_sample_is_the_defaults(tmp_path: Path) -> None:
    """The sample as it is installed sets nothing."""
    loaded = _loaded(tmp_path, sample())
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}


def test_the_live_sample_is_the_defaults_too(tmp_path: Path) -> None:
    """Every line that shows a default sets exactly that default once its # is taken away."""
    file = str(tmp_path / "milterguard.toml")
    loaded = _loaded(tmp_path, _live(sample()).partition("\n[bank.")[0])
    assert loaded.settings == Settings()
    assert dict(loaded.origins) == dict.fromkeys(entries(), file)


def test_the_examples_of_tables_load(tmp_path: Path) -> None:
    """The examples of [bank.NAME], [[recipient]] and [[banned.NAME]] are valid once they are made live."""
    settings = _loaded(tmp_path, _live(sample())).settings
    [rule] = settings.recipients
    assert rule.settings == (("spam_lover", True),)
    assert [(each.name, each.settings) for each in settings.banks] == [
        ("SUBMISSION", (("spam_destiny", Destiny.PASS),))
    ]
    assert [each.rules[0].title for each in settings.banned if each.name == "EXAMPLE"] == ["web page as a file"]


def test_the_sample_has_every_setting_with_its_help() -> None:
    """Key, default, meaning and amavis' name of every setting stand in the sample."""
    words = " ".join(re.sub(r"^# ", "", sample(), flags=re.MULTILINE).split())
    for entry in entries().values():
        assert " ".join(entry.help.split()) in words
        assert f"#{entry.key} = {toml_value(entry, entry.default)}\n" in sample()
        assert entry.amavis in words


@pytest.mark.parametrize("name", sorted(entries()))
def test_every_setting_is_explained(name: str) -> None:
    """Each setting has a sentence that says what it does, and its section has one too."""
    entry = entries()[name]
    assert len(entry.help) > 10
    assert entry.help.endswith(".")
    assert section_help(entry.section).endswith(".")
    assert f"| `{entry.key}` |" in reference()


@pytest.mark.parametrize("name", sorted(entries()))
def test_every_value_is_written_as_it_is_read(name: str) -> None:
    """A default written as TOML is TOML."""
    entry = entries()[name]
    assert tomllib.loads(f"value = {toml_value(entry, entry.default)}").keys() == {"value"}


def test_every_variable_names_one_setting() -> None:
    """No two settings share an environment variable, not even by way of _FILE."""
    variables = [entry.variable for entry in entries().values()]
    assert len(set(variables)) == len(variables)
    assert not {f"{variable}_FILE" for variable in variables} & set(variables)


def test_sections_and_recipient_keys() -> None:
    """The sections are those of the manual; what decides for a message is no key of [[recipient]]."""
    assert {"server", "local", "checks.clamd", "checks.spamd", "policy"} <= set(sections())
    assert "spam_lover" in recipient_entries()
    assert not {"mixed_recipients", "contact"} & recipient_entries().keys()


def test_lines_of_the_sample_fit_a_terminal() -> None:
    """No line of the sample is longer than 120 characters."""
    assert max(map(len, sample().splitlines())) <= 120


@pytest.mark.parametrize(("file", "text"), [("etc/milterguard.toml", sample()), ("docs/settings.md", reference())])
def test_generated_files_are_fresh(file: str, text: str) -> None:
    """The kept file is what the settings generate now; `make generate` writes it again."""
    assert (_ROOT / file).read_text(encoding="utf-8") == text


def test_show_tells_value_and_origin(tmp_path: Path) -> None:
    """Each setting is shown with its value in TOML and where it comes from, recipients behind them."""
    loaded = _loaded(
        tmp_path,
        "[server]\nsocket_mode = 0o600\n[policy]\nstore_on_pass = ['spam']\nspam_kill_level = 'unset'\n"
        "[checks.clamd]\non_failure = 'pass'\n[[recipient]]\nmatch = ['@.']\nspam_tag_level = 2\n"
        "[[banned.MINE]]\ntitle = 'notes'\nextension = 'one'\n[[banned.MINE]]\nall = true\n",
    )
    rows = {key: (value, origin) for key, value, origin in show(loaded)}
    file = str(tmp_path / "milterguard.toml")
    assert rows["server.socket_mode"] == ("0o600", file)
    assert rows["server.workers"] == ("0", "default")
    assert rows["policy.store_on_pass"] == ('["spam"]', file)
    assert rows["policy.spam_kill_level"] == ('"unset"', file)
    assert rows["checks.clamd.on_failure"] == ('"pass"', file)
    assert rows["recipient[1].match"] == ('["@."]', f"{file}: [[recipient]] 1")
    assert rows["recipient[1].spam_tag_level"] == ("2.0", f"{file}: [[recipient]] 1")
    assert rows["banned.MINE"] == ('["notes", "MINE[2]"]', file)
    assert rows["banned.ALLOW_ALL"] == ('["anything"]', "default")
    assert rows.keys() >= entries().keys()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://filter:hunter2@db/mail", '"postgresql://filter:***@db/mail"'),
        ("postgresql://filter:hun@ter2@db/mail", '"postgresql://filter:***@db/mail"'),
        ("postgresql://filter:hun/ter2@db/mail", '"postgresql://filter:***@db/mail"'),
        ("postgresql://db/mail?user=a&password=hunter2&x=1", '"postgresql://db/mail?user=a&password=***&x=1"'),
        ("sqlite:////var/lib/a.db", '"sqlite:////var/lib/a.db"'),
    ],
)
def test_show_masks_passwords(url: str, shown: str) -> None:
    """The password of a database URL is not shown, the rest is."""
    rows = {key: value for key, value, _ in show(load(None, environ={"MILTERGUARD_STORE_URL": url}))}
    assert rows["store.url"] == shown


def test_the_module_prints_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """`sample` and `reference` print to standard output; anything else is a usage error."""
    assert main(["sample"]) == 0
    assert capsys.readouterr().out == sample()
    assert main(["reference"]) == 0
    assert capsys.readouterr().out == reference()
    assert main([]) == 64
    assert "usage" in capsys.readouterr().err
