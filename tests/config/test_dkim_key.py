# SPDX-License-Identifier: GPL-3.0-or-later
"""``[[dkim_key]]``, ``[signing]`` and ``[checks.authentication]``: what is taken, and what slips are told."""

from pathlib import Path

import pytest

from milterguard.config.load import load
from milterguard.errors import ConfigError

KEY = '[[dkim_key]]\ndomain = "example.com"\nselector = "s1"\nfile = "/k.pem"\n'


def test_a_key_is_read(tmp_path: Path) -> None:
    """Names as A-labels in small letters; with the place where it stands."""
    file = tmp_path / "milterguard.toml"
    file.write_text(KEY.replace("example.com", "BÜCHER.example").replace("s1", "S1"))
    (entry,) = load(file, environ={}).settings.dkim_keys
    assert (entry.domain, entry.selector, entry.subdomains) == ("xn--bcher-kva.example", "s1", False)
    assert entry.origin == f"{file}: [[dkim_key]] 1"


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("dkim_key = 1", "dkim_key", "[[dkim_key]], in double brackets"),
        ("dkim_key = [1]", "dkim_key[1]", "a table"),
        (KEY + "selektor = 's'", "dkim_key[1].selektor", 'did you mean "selector"'),
        (KEY.replace("example.com", "com"), "dkim_key[1].domain", "a domain"),
        (KEY.replace('"example.com"', "5"), "dkim_key[1].domain", "text, found 5"),
        (KEY.replace("s1", "a b"), "dkim_key[1].selector", "letters, digits"),
        (KEY.replace('file = "/k.pem"', ""), "dkim_key[1].file", "text, found none"),
        (KEY.replace("/k.pem", "k.pem"), "dkim_key[1].file", "an absolute path"),
        (KEY + "subdomains = 1", "dkim_key[1].subdomains", "true or false"),
        (KEY + KEY, "selector", "each selector of a domain once, found s1 twice"),
        ("[signing]\nsigner = 'inet:1@127.0.0.1'", "signing.signer", "unix:/PATH, found"),
        ("[signing]\nsign_fields = ['From', 'Received']", "signing.sign_fields", "stay as they are on the way"),
        ("[signing]\nsign_fields = ['Subject']", "signing.sign_fields", "From among them (RFC 6376)"),
        ("[signing]\noversign_fields = ['a b']", "signing.oversign_fields", "stay as they are on the way"),
        ("[signing]\narc_domain = 'Example.com'", "signing.arc_domain", "a domain, small letters"),
        (KEY + "[signing]\narc_domain = 'other.example'", "signing.arc_domain", "a [[dkim_key]] of that domain"),
        ("[signing]\nkeys_urls = ['sqlite:////k.db']", "signing.keys_urls", "signing.keys_select beside it"),
        ("[signing]\nkeys_select = 'SELECT a, b, c FROM d WHERE e = %d'", "signing.keys_select", "signing.keys_urls"),
        (
            "[signing]\nkeys_urls = ['sqlite:////k.db']\nkeys_select = 'SELECT a FROM b'",
            "signing.keys_select",
            "%d",
        ),
        ("[checks.authentication]\nspf = false", "checks.authentication.spf", "or dmarc = false as well"),
        ("[checks.authentication]\ndkim = false", "checks.authentication.dkim", "or dmarc = false as well"),
        (
            "[checks.authentication]\ntrusted_sealers = ['Lists.example']",
            "checks.authentication.trusted_sealers",
            "domains, small letters",
        ),
        (
            "[checks.authentication]\narc = false\ntrusted_sealers = ['lists.example']",
            "checks.authentication.trusted_sealers",
            "none while arc = false",
        ),
        (
            "[checks.authentication]\ndmarc = false\ntrusted_lists = ['lists.example']",
            "checks.authentication.trusted_lists",
            "none while dmarc = false",
        ),
        ("[dns]\nservers = ['ns.example.com']", "dns.servers", "ADDRESS:PORT"),
    ],
)
def test_slips_are_told(text: str, key: str, message: str, tmp_path: Path) -> None:
    """With the file, and the key that somebody has set."""
    file = tmp_path / "milterguard.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(file, environ={})
    assert error.value.key == key
    assert str(error.value.file).startswith(str(file))
    assert message in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        KEY + KEY.replace("s1", "s2"),
        KEY + "subdomains = true\n[signing]\narc_domain = 'lists.example.com'",
        "[signing]\nsigner = 'unix:/k.sock'\narc_domain = 'example.com'",
        "[checks.authentication]\nspf = false\ndmarc = false",
        "[checks.authentication]\nenabled = false\nspf = false\ntrusted_lists = ['lists.example']",
        "[dns]\nservers = ['127.0.0.1', '[::1]:5353', '192.0.2.1:53']",
    ],
)
def test_what_may_stand_together(text: str, tmp_path: Path) -> None:
    """Keys side by side, keys that somebody else has, parts switched off."""
    file = tmp_path / "milterguard.toml"
    file.write_text(text)
    load(file, environ={})
