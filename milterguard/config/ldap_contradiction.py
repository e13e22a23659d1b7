# SPDX-License-Identifier: GPL-3.0-or-later
"""What no single type can tell about ``[lookup.ldap]``: addresses, filter, and what makes sense only together.

*Source:* RFC 4516 (URLs), RFC 4513 section 5.1.2 (a name without a password is nobody).

*Errors:* Mismatch, whose ``inner`` is the key that is wrong; the checker adds file and section.
"""

import re
from typing import NoReturn
from urllib.parse import unquote

from milterguard.config.ldap import Ldap
from milterguard.config.query_filter import QueryFilter
from milterguard.config.value import Mismatch, described, suggestion

_NOTATION = "ldap://HOST:PORT, ldaps://HOST:PORT or ldapi://%2FPATH"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<where>[^/?#]*)(?P<more>.*)\Z", re.DOTALL)
_HOST = re.compile(
    r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?)(?::(?P<port>[0-9]{1,5}))?\Z"
)
_DN = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)\s*=\s*\S")
_LONGEST_PATH = 107
"""Octets in ``sun_path`` of Linux without its NUL (unix(7))."""


def check_ldap(ldap: Ldap) -> None:
    """Raise Mismatch for the first thing that cannot hold."""
    for url in ldap.urls:
        _check_url(url)
    if len(set(ldap.urls)) < len(ldap.urls):
        _fail("urls", expected="each address once", got="one twice")
    _check_filter(ldap.query_filter)
    if ldap.urls and not ldap.base:
        _fail("urls", expected="lookup.ldap.base beside them, below which entries are looked for", got="none")
    if ldap.base and not _DN.match(ldap.base):
        _fail("base", expected="a distinguished name such as dc=example,dc=com", got=described(ldap.base))
    _check_bind(ldap)
    _check_tls(ldap)


def _check_url(url: str) -> None:
    found = _URL.match(url)
    if found is None or found["scheme"] not in ("ldap", "ldaps", "ldapi"):
        hint = suggestion(found["scheme"], ("ldap", "ldaps", "ldapi")) if found else ""
        _fail("urls", expected=_NOTATION, got=described(url) + hint)
    if found["more"] not in ("", "/"):
        what = "ldapi:// with the path in it as %2Frun%2Fslapd%2Fldapi" if found["scheme"] == "ldapi" else _NOTATION
        _fail("urls", expected=f"{what}; the rest has keys of its own", got=described(url))
    is_right = _is_path(found["where"]) if found["scheme"] == "ldapi" else _is_host(found["where"])
    if not is_right:
        _fail("urls", expected=_NOTATION, got=described(url))


def _is_path(where: str) -> bool:
    path = unquote(where)
    return path.startswith("/") and len(path.encode()) <= _LONGEST_PATH


def _is_host(where: str) -> bool:
    found = _HOST.match(where)
    return found is not None and 0 < int(found["port"] or 1) < 65536


def _check_filter(text: str) -> None:
    try:
        QueryFilter.parse(text)
    except ValueError as error:
        _fail("query_filter", expected=str(error), got=described(text))


def _check_bind(ldap: Ldap) -> None:
    if ldap.bind_dn and not _DN.match(ldap.bind_dn):
        _fail(
            "bind_dn",
            expected="a distinguished name such as cn=milterguard,dc=example,dc=com",
            got=described(ldap.bind_dn),
        )
    if bool(ldap.bind_dn) != bool(ldap.bind_password):
        there, missing = ("bind_dn", "bind_password") if ldap.bind_dn else ("bind_password", "bind_dn")
        _fail(there, expected=f"lookup.ldap.{missing} beside it", got="none")


def _check_tls(ldap: Ldap) -> None:
    if ldap.tls_ca_file and not ldap.tls_ca_file.startswith("/"):
        _fail("tls_ca_file", expected="an absolute path, or nothing", got=described(ldap.tls_ca_file))
    if ldap.start_tls and not any(url.startswith("ldap://") for url in ldap.urls):
        _fail("start_tls", expected="false: no address is ldap://", got="true")


def _fail(key: str, *, expected: str, got: str) -> NoReturn:
    raise Mismatch(expected, got, inner=key)
