# SPDX-License-Identifier: GPL-3.0-or-later
"""A private slapd with amavis' attributes: own configuration and database, a unix socket, TCP and TLS on loopback.

``add`` and ``replace`` change what is in it while it runs; that outlasts its end. Reading needs the bind of
``READER``, as it should on a real directory.

*Source:* slapd(8), slapd.conf(5), slapd-mdb(5); the schema is written from the documented names of amavis'
attributes, under OIDs of the arc that OpenLDAP keeps for experiments (1.3.6.1.4.1.4203.666).
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import ldap
from ldap.ldapobject import SimpleLDAPObject

from tests.daemons.certificate import Certificate
from tests.daemons.folder import free_ports, socket_path
from tests.daemons.process import Daemon, DaemonError

PROGRAM = Path("/usr/sbin/slapd")
USER = "openldap"
SCHEMAS = Path("/etc/ldap/schema")
BASE = "dc=example,dc=com"
READER, READER_PASSWORD = f"cn=milterguard,{BASE}", "r3ad me, #1"
_ADMIN, _ADMIN_PASSWORD = f"cn=admin,{BASE}", "secret"
_EXPERIMENTS = "1.3.6.1.4.1.4203.666.27"

_FLAGS = (
    *(f"amavis{kind}Lover" for kind in ("Virus", "Spam", "Unchecked", "BannedFiles", "BadHeader")),
    *(f"amavisBypass{kind}Checks" for kind in ("Virus", "Spam", "Banned", "Header")),
    *("amavisSpamModifiesSubj", "amavisLocal"),
    *(f"amavisWarn{kind}Recip" for kind in ("Virus", "Banned", "BadHeader")),
)
_TEXTS = (
    *(f"amavisSpam{level}Level" for level in ("Tag", "Tag2", "Tag3", "Kill", "DsnCutoff", "QuarantineCutoff")),
    *(f"amavisSpamSubjectTag{number}" for number in ("", "2", "3")),
    *(
        f"amavis{kind}QuarantineTo"
        for kind in ("Virus", "Spam", "Banned", "Unchecked", "BadHeader", "Clean", "Archive")
    ),
    *(f"amavis{kind}Admin" for kind in ("Virus", "NewVirus", "Spam", "Banned", "BadHeader")),
    *(f"amavisAddrExtension{kind}" for kind in ("Virus", "Spam", "Banned", "BadHeader")),
    *("amavisMessageSizeLimit", "amavisBannedRuleNames", "amavisForwardMethod", "amavisSaUserConf"),
    *("amavisSaUserName", "amavisDisclaimerOptions"),
)
_LISTS = ("amavisWhitelistSender", "amavisBlacklistSender")
ATTRIBUTES = (*_FLAGS, *_TEXTS, *_LISTS)
"""All of amavis' attributes, as documented; what the program knows of them is held against these."""


_BASE_ENTRIES = f"""\
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: {READER}
objectClass: person
cn: milterguard
sn: milterguard
userPassword: {READER_PASSWORD}

"""


class Slapd(Daemon):
    """slapd; ``urls`` are its addresses."""

    def __init__(self, folder: Path, *, certificate: Certificate | None = None) -> None:
        """``certificate`` switches StartTLS and ldaps:// on."""
        super().__init__("slapd", folder)
        port, tls_port = free_ports(2)
        self.certificate = certificate
        self.unix_url = "ldapi://" + quote(str(socket_path(folder / "ldapi")), safe="")
        self.url = f"ldap://127.0.0.1:{port}"
        self.tls_url = f"ldaps://127.0.0.1:{tls_port}" if certificate else ""

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(url for url in (self.unix_url, self.url, self.tls_url) if url)

    def prepare(self) -> None:
        (self.folder / "amavis.schema").write_text(_schema())
        (self.folder / "slapd.conf").write_text(self._configuration())
        # A slapd that was killed leaves its socket; the next one would not take the file away.
        (self.folder / "ldapi").unlink(missing_ok=True)
        if not (self.folder / "data").exists():
            (self.folder / "data").mkdir()
            self._load(_BASE_ENTRIES)

    def _load(self, entries: str) -> None:
        command = [str(PROGRAM), "-T", "add", "-q", "-f", str(self.folder / "slapd.conf")]
        loaded = subprocess.run(command, input=entries, capture_output=True, text=True, check=False)
        if loaded.returncode:
            raise DaemonError(f"slapadd: {loaded.stderr}")
        if os.geteuid() == 0:
            for path in (self.folder, self.folder / "data", *(self.folder / "data").iterdir()):
                shutil.chown(path, USER, USER)

    def command(self) -> list[str]:
        becoming = ["-u", USER, "-g", USER] if os.geteuid() == 0 else []
        # -d keeps it in the foreground.
        return [str(PROGRAM), "-d", "0", "-f", "slapd.conf", "-h", " ".join(self.urls), *becoming]

    def is_ready(self) -> bool:
        try:
            self._as_admin().unbind_s()
        except ldap.LDAPError as error:
            raise ConnectionError(str(error)) from error
        return True

    def add(self, dn: str, mail: str | Sequence[str], **attributes: str | Sequence[str]) -> None:
        """Adds an account: ``add("cn=a", "a@example.com", amavisVirusLover="TRUE")``; the DN is below ``BASE``."""
        values = {name: _octets(value) for name, value in _account(dn, mail, attributes).items()}
        with self._admin() as admin:
            admin.add_s(f"{dn},{BASE}", list(values.items()))

    def replace(self, dn: str, **attributes: str | Sequence[str]) -> None:
        """Gives attributes of an account other values; none at all takes the attribute away."""
        with self._admin() as admin:
            changes = [(ldap.MOD_REPLACE, name, _octets(values)) for name, values in attributes.items()]
            admin.modify_s(f"{dn},{BASE}", changes)

    def clear(self) -> None:
        """Takes all accounts away."""
        with self._admin() as admin:
            number = admin.search_ext(BASE, ldap.SCOPE_ONELEVEL, "(objectClass=amavisAccount)", ["1.1"])
            for dn, _ in admin.result(number, timeout=5.0)[1]:
                admin.delete_s(dn or "")

    @contextlib.contextmanager
    def _admin(self) -> Iterator[SimpleLDAPObject]:
        admin = self._as_admin()
        try:
            yield admin
        finally:
            admin.unbind_s()

    def _as_admin(self) -> SimpleLDAPObject:
        connection = ldap.initialize(self.unix_url)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 5)
        connection.set_option(ldap.OPT_TIMEOUT, 5)
        connection.simple_bind_s(_ADMIN, _ADMIN_PASSWORD)
        return connection

    def _configuration(self) -> str:
        includes = "".join(f"include {SCHEMAS / name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
        tls = ""
        if self.certificate:
            tls = (
                f"TLSCACertificateFile {self.certificate.ca_file}\n"
                f"TLSCertificateFile {self.certificate.file}\n"
                f"TLSCertificateKeyFile {self.certificate.key_file}\n"
            )
        return f"""\
{includes}include {self.folder}/amavis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {self.folder}/slapd.pid
argsfile {self.folder}/slapd.args
loglevel none
threads 4
{tls}
database mdb
directory {self.folder}/data
maxsize 16777216
dbnosync
suffix "{BASE}"
rootdn "{_ADMIN}"
rootpw {_ADMIN_PASSWORD}
index objectClass,mail eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{READER}" read by anonymous auth by * none
"""


def _account(
    dn: str, mail: str | Sequence[str], attributes: Mapping[str, str | Sequence[str]]
) -> dict[str, str | Sequence[str]]:
    name = dn.partition(",")[0].partition("=")[2]
    classes = ("inetOrgPerson", "amavisAccount")
    return {"objectClass": classes, "cn": name, "sn": name, "mail": mail, **attributes}


def _octets(values: str | Sequence[str]) -> list[bytes]:
    return [value.encode() for value in ([values] if isinstance(values, str) else values)]


def _schema() -> str:
    lines = [f"objectIdentifier amavisTest {_EXPERIMENTS}\n"]
    boolean = "booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7"
    text = "caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26"
    for number, name in enumerate(ATTRIBUTES, start=1):
        rule = boolean if name in _FLAGS else text
        single = "" if name in _LISTS else " SINGLE-VALUE"
        lines.append(f"attributetype ( amavisTest:1.{number} NAME '{name}' EQUALITY {rule}{single} )\n")
    names = " $ ".join(("mail", *ATTRIBUTES))
    lines.append(f"objectclass ( amavisTest:2.1 NAME 'amavisAccount' SUP top AUXILIARY MAY ( {names} ) )\n")
    return "".join(lines)
