# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of ``[lookup.ldap]``: a directory that knows recipients.

*Source:* amavis' ``$default_ldap``. *Errors:* none; what no single type can tell is in ``ldap_contradiction.py``.
"""

from dataclasses import dataclass
from enum import StrEnum

from milterguard.core.setting import setting


class Scope(StrEnum):
    """How far below its base a search looks."""

    BASE = "base"
    ONE = "one"
    SUB = "sub"


@dataclass(frozen=True, slots=True)
class Ldap:
    """A directory with amavis' attributes. Section ``[lookup.ldap]``."""

    urls: tuple[str, ...] = setting(
        (),
        "ldap://HOST:PORT, ldaps://HOST:PORT or ldapi://%2FPATH; the first that is well is asked. Empty: no directory.",
        amavis="$default_ldap{hostname}",
    )
    base: str = setting("", "Entries are looked for below it, such as dc=example,dc=com.", amavis="$default_ldap{base}")
    scope: Scope = setting(Scope.SUB, "How far below: base, one (level) or sub (tree).", amavis="$default_ldap{scope}")
    query_filter: str = setting(
        "(&(objectClass=amavisAccount)(mail=%m))",
        "Which entries. %m: one of the keys of the address; %a: the address, %l: its local part, %u: the same without "
        "extension, %e: the extension with its delimiter, %d: the domain; %%: a per cent sign.",
        amavis="$default_ldap{query_filter}",
    )
    bind_dn: str = setting("", "Who we are to the directory; empty: nobody.", amavis="$default_ldap{bind_dn}")
    bind_password: str = setting("", "The password of bind_dn.", amavis="$default_ldap{bind_password}", secret=True)
    start_tls: bool = setting(
        False, "Encrypt ldap:// connections by StartTLS before anything is said.", amavis="$default_ldap{tls}"
    )
    tls_ca_file: str = setting(
        "",
        "Certificates that servers are verified with; empty: the system's, as /etc/ldap/ldap.conf has them.",
        amavis="$default_ldap{cafile}",
    )
    timeout_seconds: float = setting(
        2.0,
        "Nobody waits longer for the answer about one recipient.",
        amavis="$default_ldap{timeout}",
        minimum=0.1,
        maximum=8,
    )
    fresh_seconds: float = setting(30.0, "An answer is not asked for again for that long.", minimum=0, maximum=86400)
    retry_seconds: float = setting(
        5.0, "A server that failed is not asked again for that long.", minimum=0, maximum=86400
    )
