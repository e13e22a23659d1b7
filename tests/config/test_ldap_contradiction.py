# SPDX-License-Identifier: GPL-3.0-or-later
"""Slips in ``[lookup.ldap]`` are told with their key, and what was meant."""

from pathlib import Path

import pytest

from milterguard.config.load import load
from milterguard.errors import ConfigError

_GOOD = {"urls": '["ldap://ldap.example.com"]', "base": '"dc=example,dc=com"'}


def _text(**keys: str) -> str:
    return "[lookup.ldap]\n" + "".join(f"{key} = {value}\n" for key, value in (_GOOD | keys).items())


@pytest.mark.parametrize(
    "url",
    [
        "ldap://ldap.example.com",
        "ldap://ldap.example.com:389",
        "ldaps://192.0.2.1:636/",
        "ldap://[2001:db8::1]:389",
        "ldapi://%2Frun%2Fslapd%2Fldapi",
        "ldap://localhost",
    ],
)
def test_addresses_of_servers(url: str, tmp_path: Path) -> None:
    """A host with or without a port, or a socket of this machine."""
    file = tmp_path / "milterguard.toml"
    file.write_text(_text(urls=f'["{url}"]'))
    assert load(file, environ={}).settings.lookup.ldap.urls == (url,)


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ({"urls": "['ldap.example.com']"}, "urls", "ldap://HOST:PORT, ldaps://HOST:PORT or ldapi://%2FPATH"),
        ({"urls": "['ldpas://ldap.example.com']"}, "urls", 'did you mean "ldaps"?'),
        ({"urls": "['ldap://ldap.example.com:0']"}, "urls", "ldap://HOST:PORT"),
        ({"urls": "['ldap://ldap.example.com:70000']"}, "urls", "ldap://HOST:PORT"),
        ({"urls": "['ldap://']"}, "urls", "ldap://HOST:PORT"),
        ({"urls": "['ldap://a b']"}, "urls", "ldap://HOST:PORT"),
        ({"urls": "['ldap://h/dc=example']"}, "urls", "the rest has keys of its own"),
        ({"urls": "['ldapi:///run/slapd/ldapi']"}, "urls", "the path in it as %2Frun%2Fslapd%2Fldapi"),
        ({"urls": "['ldapi://run']"}, "urls", "ldapi://%2FPATH"),
        ({"urls": "['ldap://h', 'ldap://h']"}, "urls", "each address once"),
        ({"base": "''"}, "urls", "lookup.ldap.base beside them"),
        ({"base": "'example.com'"}, "base", "a distinguished name"),
        ({"scope": "'tree'"}, "scope", '"base", "one" or "sub"'),
        ({"query_filter": "'mail=%m'"}, "query_filter", "a search filter such as (&(objectClass"),
        ({"query_filter": "'(mail=%s)'"}, "query_filter", "%m, %a, %l, %u, %e, %d or %%"),
        ({"bind_dn": "'cn=x'"}, "bind_dn", "lookup.ldap.bind_password beside it, found none"),
        ({"bind_password": "'hush'"}, "bind_password", "lookup.ldap.bind_dn beside it, found none"),
        ({"bind_dn": "'x'", "bind_password": "'hush'"}, "bind_dn", "a distinguished name"),
        ({"bind_password": "7"}, "bind_password", "a string, found a value of type int"),
        ({"tls_ca_file": "'ca.pem'"}, "tls_ca_file", "an absolute path, or nothing"),
        ({"urls": "['ldaps://h']", "start_tls": "true"}, "start_tls", "false: no address is ldap://"),
        ({"timeout_seconds": "0"}, "timeout_seconds", "at least 0.1"),
    ],
)
def test_slips(keys: dict[str, str], key: str, message: str, tmp_path: Path) -> None:
    """File, key, what was expected and what was found; never a password."""
    file = tmp_path / "milterguard.toml"
    file.write_text(_text(**keys))
    with pytest.raises(ConfigError) as caught:
        load(file, environ={})
    assert (caught.value.file, caught.value.key) == (str(file), f"lookup.ldap.{key}")
    assert message in str(caught.value)
    assert "hush" not in str(caught.value)


def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    """The environment names a file that holds it."""
    (tmp_path / "password").write_text("hush\n")
    (tmp_path / "milterguard.toml").write_text(_text(bind_dn="'cn=x'"))
    environ = {"MILTERGUARD_LOOKUP_LDAP_BIND_PASSWORD_FILE": str(tmp_path / "password")}
    assert load(tmp_path / "milterguard.toml", environ=environ).settings.lookup.ldap.bind_password == "hush"
