# SPDX-License-Identifier: GPL-3.0-or-later
"""A private Postfix: own configuration, queue, data and ports; nothing of the system's Postfix is touched.

Needs root, for master(8) starts its children under other users.

*Source:* postconf(5), master(5), MULTI_INSTANCE_README, MILTER_README.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.daemons import smtp
from tests.daemons.address import in_postfix_words, inet
from tests.daemons.folder import free_ports
from tests.daemons.process import Daemon, DaemonError

POSTFIX = Path("/usr/sbin/postfix")
MASTER = Path("/usr/lib/postfix/sbin/master")
DOMAINS = ("example.com", "example.net", "example.org")
"""Domains that the private Postfix takes mail for, from anybody; all of it goes to the sink."""
PLAIN = "plain"
"""The listener without milters: for releases, and for what is not under test."""

_SERVICES = """\
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Queued:
    """One message in Postfix' queue."""

    queue_id: str
    queue: str
    """active, deferred, hold, incoming or maildrop."""
    sender: str
    recipients: tuple[str, ...]


class Postfix(Daemon):
    """Postfix; ``port`` goes through the milters, ``plain_port`` past them."""

    def __init__(
        self,
        folder: Path,
        *,
        sink_port: int,
        milters: Iterable[str] = (),
        local_milters: Iterable[str] = (),
        networks: str = "127.0.0.1/32",
        parameters: Mapping[str, str] | None = None,
        listeners: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Milters are written in our words.

        :param local_milters: for mail by sendmail(1): ``non_smtpd_milters``.
        :param networks: who may relay anywhere; XCLIENT makes a test any other client.
        :param parameters: further lines of main.cf, or others in place of ours.
        :param listeners: further smtpd services by name, with the parameters in which they differ.
        """
        super().__init__("postfix", folder)
        self.configuration = folder / "etc"
        self._sink_port = sink_port
        self._milters = _milter_list(milters)
        self._local_milters = _milter_list(local_milters)
        self._networks = networks
        self._parameters = dict(parameters or {})
        self._listeners: dict[str, Mapping[str, str]] = {"main": {}, PLAIN: {"smtpd_milters": ""}, **(listeners or {})}
        self.ports = dict(zip(self._listeners, free_ports(len(self._listeners)), strict=True))
        """Of all listeners, by name."""

    @property
    def port(self) -> int:
        return self.ports["main"]

    @property
    def plain_port(self) -> int:
        return self.ports[PLAIN]

    @property
    def plain_socket(self) -> str:
        """The listener without milters in our words, for ``release.smtp`` where that must bypass the filter."""
        return inet(self.plain_port)

    @property
    def socket(self) -> str:
        """The listener with the milters in our words."""
        return inet(self.port)

    def prepare(self) -> None:
        if os.geteuid() != 0:
            raise DaemonError("Postfix can be started by root only: run the tests by `make test`")
        for name in ("etc", "queue", "data"):
            (self.folder / name).mkdir(exist_ok=True)
            (self.folder / name).chmod(0o755)
        shutil.chown(self.folder / "data", "postfix")
        (self.configuration / "main.cf").write_text(_lines(self._main() | self._parameters))
        (self.configuration / "master.cf").write_text(self._master())
        check = self._run(POSTFIX, "check")
        if check.returncode:
            raise DaemonError(f"postfix check: {check.stderr.decode()}")

    def command(self) -> list[str]:
        return [str(MASTER), "-d", "-c", str(self.configuration)]

    def environment(self) -> Mapping[str, str]:
        return {"MAIL_CONFIG": str(self.configuration)}

    def is_ready(self) -> bool:
        with smtp.Smtp(self.plain_port, timeout_seconds=10) as client:
            return client.greeting.code == 220

    def log(self) -> str:
        """What master(8) said, then the mail log."""
        mail_log = self.folder / "mail.log"
        return super().log() + (mail_log.read_text(errors="replace") if mail_log.exists() else "")

    def set_parameters(self, parameters: Mapping[str, str]) -> None:
        """Changes main.cf and lets a running Postfix read it: new sessions go by the new values."""
        self._parameters |= parameters
        (self.configuration / "main.cf").write_text(_lines(self._main() | self._parameters))
        if self.is_running:
            self._run(POSTFIX, "reload").check_returncode()

    def send(
        self, octets: bytes, *, sender: str, recipients: Iterable[str], client: Mapping[str, str] | None = None
    ) -> smtp.Dialogue:
        """One message through the milters; ``client`` are attributes for XCLIENT."""
        return smtp.send(self.port, octets, sender=sender, recipients=recipients, client=client)

    def sendmail(self, octets: bytes, *, sender: str, recipients: Iterable[str]) -> None:
        """One message by sendmail(1), as programs on this machine send it. Raises CalledProcessError."""
        self._run(Path("/usr/sbin/sendmail"), "-i", "-f", sender, "--", *recipients, given=octets).check_returncode()

    def queue(self) -> tuple[Queued, ...]:
        """What has neither been delivered nor given up."""
        listing = self._run(Path("/usr/sbin/postqueue"), "-j")
        listing.check_returncode()
        return tuple(map(_queued, listing.stdout.splitlines()))

    def flush(self) -> None:
        """Tries at once what was deferred."""
        self._run(Path("/usr/sbin/postqueue"), "-f").check_returncode()

    def empty_queue(self) -> None:
        """Throws away all that waits, held mail too."""
        self._run(Path("/usr/sbin/postsuper"), "-d", "ALL").check_returncode()

    def _run(self, program: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [program, "-c" if program.name != "sendmail" else "-C", self.configuration, *arguments],
            input=given,
            capture_output=True,
            check=False,
            timeout=60,
            env={**os.environ, **self.environment()},
        )

    def _main(self) -> dict[str, str]:
        return {
            "compatibility_level": "3.6",
            "queue_directory": str(self.folder / "queue"),
            "data_directory": str(self.folder / "data"),
            "daemon_directory": str(MASTER.parent),
            "command_directory": "/usr/sbin",
            "meta_directory": "/etc/postfix",
            "shlib_directory": "/usr/lib/postfix",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "maillog_file": str(self.folder / "mail.log"),
            "maillog_file_prefixes": str(self.folder),
            "myhostname": "mx.example.com",
            "mydestination": "",
            "mynetworks": self._networks,
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "all",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "relay_domains": ", ".join(DOMAINS),
            "relay_transport": f"smtp:[127.0.0.1]:{self._sink_port}",
            "default_transport": f"smtp:[127.0.0.1]:{self._sink_port}",
            "smtp_dns_support_level": "disabled",
            "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
            "smtpd_authorized_xclient_hosts": "127.0.0.1",
            # Postfix takes whoever uses XCLIENT for local still, and would mend the fields of a stranger.
            "local_header_rewrite_clients": "",
            "smtpd_peername_lookup": "no",
            "smtpd_forbid_bare_newline": "normalize",
            "smtpd_forbid_bare_newline_exclusions": "",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_error_sleep_time": "0",
            "smtpd_soft_error_limit": "1000",
            "smtpd_hard_error_limit": "1000",
            "smtpd_milters": self._milters,
            "non_smtpd_milters": self._local_milters,
            "milter_default_action": "tempfail",
            "message_size_limit": "150000000",
            "mailbox_size_limit": "0",
            "queue_minfree": "0",
            "in_flow_delay": "0",
            "minimal_backoff_time": "300s",
            "notify_classes": "",
            "soft_bounce": "no",
        }

    def _master(self) -> str:
        services = []
        for name, port in self.ports.items():
            services.append(f"127.0.0.1:{port} inet n - n - 200 smtpd\n")
            services += [f"  -o {{ {key} = {value} }}\n" for key, value in self._listeners[name].items()]
        return "".join(services) + _SERVICES


def _milter_list(milters: Iterable[str]) -> str:
    return ", ".join(map(in_postfix_words, milters))


def _lines(parameters: Mapping[str, str]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in parameters.items())


def _queued(line: bytes) -> Queued:
    entry = json.loads(line)
    recipients = tuple(recipient["address"] for recipient in entry["recipients"])
    return Queued(entry["queue_id"], entry["queue_name"], entry["sender"], recipients)


def forget_leftovers(postfix: Postfix) -> None:
    """For a Postfix that tests share: whatever the last one left in the queue must not reach the next one."""
    with contextlib.suppress(subprocess.CalledProcessError):
        postfix.empty_queue()
