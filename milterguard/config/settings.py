# SPDX-License-Identifier: GPL-3.0-or-later
"""Every setting with its type, default, unit and meaning: the reference manual is generated from here.

A section of the TOML file is a frozen dataclass, a key one of its attributes. What no single type
can tell is checked in ``config/contradiction.py``.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from milterguard.config.authentication import Authentication
from milterguard.config.banned_rules import shipped
from milterguard.config.dns import Dns
from milterguard.config.list_file import ListFile
from milterguard.config.lookup import Lookup
from milterguard.config.metrics import Metrics
from milterguard.config.on_failure import ON_FAILURE_SPAM, ON_FAILURE_VIRUS, OnFailure
from milterguard.config.signing import DkimKey, Signing
from milterguard.core.bank import Bank
from milterguard.core.banned import RuleSet
from milterguard.core.custom import FieldRule
from milterguard.core.policy import Policy
from milterguard.core.setting import setting
from milterguard.core.value_table import ValueTable


class Observe(StrEnum):
    """Whether verdicts are given, or mail is only watched."""

    OFF = "off"
    HEADERS = "headers"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Server:
    """Processes, sockets and limits. Section ``[server]``."""

    listen: tuple[str, ...] = setting(
        ("inet:8899@127.0.0.1",),
        "Where the MTA finds us: inet:PORT@HOST, inet6:PORT@HOST or unix:/PATH; each gets workers of its own.",
    )
    socket_mode: int = setting(0o660, "Mode of unix sockets, octal such as 0o660.", minimum=0)
    socket_group: str = setting("", "Group of unix sockets, such as postfix; empty: ours.")
    user: str = setting("", "Give up root and become this user once the sockets are open; empty: stay.")
    group: str = setting("", "Become this group; empty: the user's own.")
    workers: int = setting(
        0, "Processes for each listen socket; 0: one per core, at least two.", minimum=0, maximum=256
    )
    max_messages: int = setting(
        100, "Messages in work at one time in one worker; over it the answer is 451 4.3.2.", minimum=1, maximum=10000
    )
    max_messages_total: int = setting(
        400, "Messages in work at one time in all workers; over it the answer is 451 4.3.2.", minimum=1, maximum=100000
    )
    max_messages_per_worker: int = setting(
        20000, "A worker is replaced by a fresh one after that many messages; 0: never.", minimum=0
    )
    observe: Observe = setting(
        Observe.OFF,
        "For the first week on a site: every message is scanned, judged and recorded, and every one is accepted, "
        "whatever was found or failed. headers: with our fields; silent: unchanged. off: verdicts hold.",
    )
    deadline_seconds: float = setting(
        25.0,
        "From the end of the header section to our answer; keep it below the MTA's milter_command_timeout (30 s).",
        minimum=1,
        maximum=3600,
    )
    progress_seconds: float = setting(
        5.0, "The MTA is told this often that we are still at work (sendmail gives up after 10 s).", minimum=0.1
    )
    stop_grace_seconds: float = setting(
        30.0, "Open sessions may go on that long after SIGTERM or a reload.", minimum=0, maximum=86400
    )
    max_memory_bytes: int = setting(
        262144,
        "A message's body stays in memory up to this size, then moves to an unnamed file.",
        minimum=0,
        maximum=1073741824,
    )
    max_header_bytes: int = setting(
        1048576, "A longer header section is refused with 552 5.3.4.", minimum=1024, maximum=67108864
    )
    max_body_bytes: int = setting(268435456, "A longer body is refused with 552 5.3.4.", minimum=1024)
    spool_directory: str = setting("", "Where the unnamed files live; empty: TMPDIR, else /tmp.")
    state_directory: str = setting(
        "/var/lib/milterguard", "Where the release key and the marks of used release tokens live."
    )


@dataclass(frozen=True, slots=True)
class Local:
    """What is ours. Section ``[local]``."""

    domains: tuple[str, ...] = setting(
        (),
        "Domains whose recipients are ours; .example.com means its subdomains too. Also file:/PATH and /expression/; "
        "! before an entry makes an exception. The closest entry decides.",
        amavis="@local_domains_maps",
    )
    networks: tuple[str, ...] = setting(
        ("127.0.0.0/8", "::1/128"),
        "Clients whose mail is originating. Also file:/PATH; ! before an entry makes an exception. The first entry "
        "that a client is in decides.",
        amavis="@mynetworks",
    )
    recipient_delimiter: str = setting(
        "+", "Separates user and extension in an address; empty: none.", amavis="$recipient_delimiter"
    )


class ScanParts(StrEnum):
    """Which parts go to the virus scanner on their own, beside the whole message."""

    AMBIGUOUS = "ambiguous"
    ATTACHMENTS = "attachments"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Clamd:
    """The virus scanner. Section ``[checks.clamd]``."""

    enabled: bool = setting(True, "Ask clamd about every message.")
    sockets: tuple[str, ...] = setting(
        ("unix:/run/clamav/clamd.ctl",), "unix:/PATH or inet:PORT@HOST; the first that is well is asked."
    )
    timeout_seconds: float = setting(
        30.0, "Without an answer after that long the next one is asked.", minimum=0.1, maximum=3600
    )
    connect_seconds: float = setting(3.0, "Time for connecting.", minimum=0.1, maximum=3600)
    retry_seconds: float = setting(
        3.0, "A server that failed is not asked again for that long.", minimum=0, maximum=86400
    )
    on_failure: OnFailure = setting(
        ON_FAILURE_VIRUS,
        "tempfail or pass when no clamd could scan, as one word or for inbound, originating and local mail.",
        amavis="$virus_scanners_failure_is_fatal",
    )
    scan_parts: ScanParts = setting(
        ScanParts.AMBIGUOUS,
        "Beside the whole message clamd gets, decoded by us: ambiguous, the parts that clamd may read differently and "
        "members it cannot reach; attachments, every attachment; always, every part.",
        amavis="@keep_decoded_original_maps",
    )


@dataclass(frozen=True, slots=True)
class Spamd:
    """The spam scanner. Section ``[checks.spamd]``."""

    enabled: bool = setting(True, "Ask spamd about every message.")
    sockets: tuple[str, ...] = setting(
        ("inet:783@127.0.0.1",), "unix:/PATH, inet:PORT@HOST or tls:PORT@HOST; the first that is well is asked."
    )
    timeout_seconds: float = setting(
        30.0, "Without an answer after that long the next one is asked.", minimum=0.1, maximum=3600
    )
    connect_seconds: float = setting(3.0, "Time for connecting.", minimum=0.1, maximum=3600)
    retry_seconds: float = setting(
        3.0, "A server that failed is not asked again for that long.", minimum=0, maximum=86400
    )
    max_scan_bytes: int = setting(
        524288,
        "spamd gets the first so many octets of a message; the rest is left out, not the whole.",
        amavis="$sa_mail_body_size_limit",
        minimum=1024,
        maximum=268435456,
    )
    user: str = setting("", "User whose preferences spamd takes; empty: spamd's own.", amavis="@sa_username_maps")
    tls_ca_file: str = setting("", "Certificates that tls: servers are verified with; empty: the system's.")
    on_failure: OnFailure = setting(
        ON_FAILURE_SPAM, "tempfail or pass when no spamd could scan; pass adds a field that says so."
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """Taking messages apart, and what becomes UNCHECKED by it. Section ``[checks.parts]``."""

    enabled: bool = setting(
        True,
        "Report as unchecked what is ambiguous, encrypted, over a limit or broken.",
        amavis="$bypass_decode_parts",
    )
    max_depth: int = setting(40, "MIME parts in MIME parts are looked into so deep.", minimum=2, maximum=200)
    max_parts: int = setting(1000, "MIME parts that are looked into.", minimum=10, maximum=100000)
    max_part_header_bytes: int = setting(
        262144, "Octets of one part's header section that are read.", minimum=1024, maximum=16777216
    )
    max_archive_depth: int = setting(
        14, "Archives in archives are opened so deep.", amavis="$MAXLEVELS", minimum=1, maximum=100
    )
    max_members: int = setting(
        1500, "Members of archives that are looked into, in one message.", amavis="$MAXFILES", minimum=1, maximum=100000
    )
    max_unpacked_bytes: int = setting(
        104857600, "Octets that may come out of archives, in one message.", amavis="$MAX_EXPANSION_QUOTA", minimum=65536
    )
    cpu_seconds: int = setting(10, "Processor time for opening one attachment.", minimum=1, maximum=600)
    memory_bytes: int = setting(536870912, "Address space for opening one attachment.", minimum=134217728)
    processes: int = setting(
        4, "Attachments that one worker opens at the same time, each in a sealed process.", minimum=1, maximum=256
    )
    password_attempts: int = setting(
        0, "Passwords tried on what is encrypted: passwords, then words of the mail; 0: none.", minimum=0, maximum=1000
    )
    passwords: tuple[str, ...] = setting((), "Passwords tried before the words of the mail.", secret=True)
    on_failure: OnFailure = setting(ON_FAILURE_VIRUS, "tempfail or pass when a message could not be taken apart.")


@dataclass(frozen=True, slots=True)
class Banned:
    """Banned names and types; the rules are in ``[[banned.NAME]]``. Section ``[checks.banned]``."""

    enabled: bool = setting(True, "Look for banned names and types.")
    on_failure: OnFailure = setting(ON_FAILURE_VIRUS, "tempfail or pass when names and types could not be looked at.")


@dataclass(frozen=True, slots=True)
class BadHeader:
    """Broken header sections. Section ``[checks.bad_header]``."""

    enabled: bool = setting(True, "Look for header sections that are not as RFC 5322 has them.")
    on_failure: OnFailure = setting(ON_FAILURE_SPAM, "tempfail or pass when the header section could not be looked at.")
    mime: bool = setting(True, "MIME structure that is broken.", amavis="$allowed_header_tests{mime}")
    non_ascii: bool = setting(True, "Octets over 127, but for valid UTF-8.", amavis="$allowed_header_tests{8bit}")
    utf8: bool = setting(False, "Valid UTF-8 counts as well.", amavis="$allowed_header_tests{utf8}")
    control: bool = setting(True, "Control characters.", amavis="$allowed_header_tests{control}")
    blank_fold: bool = setting(True, "Folded lines of blanks only.", amavis="$allowed_header_tests{empty}")
    long: bool = setting(True, "Lines over 998 octets.", amavis="$allowed_header_tests{long}")
    syntax: bool = setting(True, "Field names that are none.", amavis="$allowed_header_tests{syntax}")
    missing: bool = setting(True, "No Date or no From.", amavis="$allowed_header_tests{missing}")
    duplicate: bool = setting(True, "A field twice that may stand once.", amavis="$allowed_header_tests{multiple}")
    many_from: bool = setting(True, "Several From fields, or several addresses in one.")


@dataclass(frozen=True, slots=True)
class Checks:
    """The scanners. Sections ``[checks.NAME]``."""

    clamd: Clamd = field(default_factory=Clamd)
    spamd: Spamd = field(default_factory=Spamd)
    parts: Parts = field(default_factory=Parts)
    banned: Banned = field(default_factory=Banned)
    bad_header: BadHeader = field(default_factory=BadHeader)
    authentication: Authentication = field(default_factory=Authentication)


@dataclass(frozen=True, slots=True)
class Headers:
    """Which fields are written. Section ``[headers]``."""

    virus_scanned: str = setting(
        "milterguard", "Value of X-Virus-Scanned before ' at HOST'; empty: no such field.", amavis="$X_HEADER_LINE"
    )
    alert_name: str = setting(
        "X-Amavis-Alert", "Name of the field that warns of a delivered virus and the like; empty: no such field."
    )
    hostname: str = setting("", "Our name in fields and ids; empty: the MTA's (macro j), for releases this machine's.")
    authserv_id: str = setting(
        "",
        "Our name in Authentication-Results; empty: hostname. Fields from outside that claim it are removed.",
        amavis="$myauthservid",
    )
    received_spf: bool = setting(
        False, "Write Received-SPF as well, for programs that read it. Those from outside are removed in any case."
    )
    spam_level_char: str = setting("*", "X-Spam-Level is drawn with it; empty: no such field.")


@dataclass(frozen=True, slots=True)
class Store:
    """The database. Section ``[store]``."""

    url: str = setting(
        "sqlite:////var/lib/milterguard/milterguard.db",
        "SQLAlchemy URL of the journal; empty: no journal, and explain knows nothing.",
        amavis="@storage_sql_dsn",
        secret=True,
    )
    queue_records: int = setting(
        10000,
        "Records that wait for a slow or missing database before the oldest are dropped.",
        minimum=1,
        maximum=1000000,
    )


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Withheld mail. Section ``[quarantine]``."""

    store: str = setting("file:/var/lib/milterguard/quarantine", "Where copies are kept.", amavis="$QUARANTINEDIR")


@dataclass(frozen=True, slots=True)
class Release:
    """Giving withheld mail back. Section ``[release]``."""

    smtp: str = setting(
        "inet:25@127.0.0.1",
        "Where released mail is handed to the MTA: inet:PORT@HOST or unix:/PATH.",
        amavis="$notify_method",
    )
    token_seconds: int = setting(300, "A release must reach our milter within that time.", minimum=10, maximum=604800)
    timeout_seconds: float = setting(60.0, "Time for the whole SMTP dialogue.", minimum=1, maximum=3600)


class LogTarget(StrEnum):
    STDERR = "stderr"
    SYSLOG = "syslog"
    JOURNALD = "journald"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Log:
    """Where the log goes. Section ``[log]``."""

    target: LogTarget = setting(LogTarget.STDERR, "stderr, syslog or journald.", amavis="$do_syslog")
    format: LogFormat = setting(LogFormat.TEXT, "text: amavis' short line; json: one object a line.")
    level: LogLevel = setting(LogLevel.INFO, "debug, info, warning or error.", amavis="$log_level")
    facility: str = setting("mail", "syslog facility.", amavis="$syslog_facility")


@dataclass(frozen=True, slots=True)
class RecipientRule:
    """What holds for one recipient, domain or list of them: an entry of ``[[recipient]]``."""

    match: tuple[str, ...]
    """``user@example.com``, ``@example.com`` or ``@.example.com`` (with subdomains), ``user@``, ``@.`` (all),
    ``/expression/``, ``file:/PATH``, each with ``!`` before it for an exception."""
    settings: tuple[tuple[str, object], ...]
    """Policy keys and values that this entry gives."""
    origin: str = ""
    """File and entry, for messages."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration, validated and immutable."""

    server: Server = field(default_factory=Server)
    local: Local = field(default_factory=Local)
    dns: Dns = field(default_factory=Dns)
    lookup: Lookup = field(default_factory=Lookup)
    checks: Checks = field(default_factory=Checks)
    headers: Headers = field(default_factory=Headers)
    signing: Signing = field(default_factory=Signing)
    store: Store = field(default_factory=Store)
    quarantine: Quarantine = field(default_factory=Quarantine)
    release: Release = field(default_factory=Release)
    log: Log = field(default_factory=Log)
    metrics: Metrics = field(default_factory=Metrics)
    policy: Policy = field(default_factory=Policy)
    on_trial: tuple[tuple[str, object], ...] = ()
    """Policy keys and values that ``[policy]`` has on trial (``shadow = true``)."""
    tables: tuple[ValueTable, ...] = ()
    """Values for many recipients, asked in this order before ``recipients``."""
    recipients: tuple[RecipientRule, ...] = ()
    banks: tuple[Bank, ...] = ()
    """What is laid over ``policy`` for whole messages, in this order."""
    banned: tuple[RuleSet, ...] = field(default_factory=shipped)
    """The sets that ``banned_rules`` may name, those of the program and those of ``[[banned.NAME]]``."""
    fields: tuple[FieldRule, ...] = ()
    """What the operator wants added, removed or replaced: ``[[field]]``, in the order of the files."""
    dkim_keys: tuple[DkimKey, ...] = ()
    """What mail is signed with: ``[[dkim_key]]``."""
    files: tuple[ListFile, ...] = ()
    """What lists and tables name, as it was when the settings were read."""
