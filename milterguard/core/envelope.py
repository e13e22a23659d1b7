# SPDX-License-Identifier: GPL-3.0-or-later
"""Who hands us a message, from whom, and for whom.

Addresses are text: the milter door decodes them as UTF-8 (RFC 6531) and refuses what is not,
so they can be compared, stored and given back to the MTA without surprises. They carry no angle
brackets; the null sender is the empty string.

*Source:* RFC 5321 sections 2.3.1 and 4.1.1, RFC 6531.
"""

from dataclasses import dataclass
from enum import StrEnum


class Traffic(StrEnum):
    """The direction a message comes from; failures may be answered differently for each."""

    INBOUND = "inbound"
    """From a stranger."""
    ORIGINATING = "originating"
    """From our networks or an authenticated user (amavis: ``originating``)."""
    LOCAL = "local"
    """Not by SMTP at all: ``sendmail(1)``, Postfix' ``non_smtpd_milters``."""


@dataclass(frozen=True, slots=True)
class Client:
    """The SMTP client as the MTA knows it."""

    address: str = ""
    """IP address as text, without ``IPv6:`` prefix; empty when the MTA does not know."""
    port: int = 0
    """TCP port of the client; 0 for mail that did not come by SMTP."""
    name: str = ""
    """Verified host name, or what the MTA says instead (``unknown``, ``[192.0.2.1]``)."""
    helo: str = ""
    """Argument of HELO or EHLO; written by the client, so hostile."""
    login: str = ""
    """SASL login name (macro ``{auth_authen}``); empty when not authenticated."""
    mechanism: str = ""
    """SASL mechanism (macro ``{auth_type}``); empty when not authenticated."""
    tls: str = ""
    """TLS version and cipher, such as ``TLSv1.3 TLS_AES_256_GCM_SHA384``; empty when in clear."""
    daemon: str = ""
    """Name of the MTA's listener (macro ``{daemon_name}``)."""
    socket: str = ""
    """Which of our sockets the MTA came to, as ``server.listen`` has it."""
    certificate: str = ""
    """Subject of the client's certificate (macro ``{cert_subject}``); empty unless the MTA has verified it."""
    issuer: str = ""
    """Who signed it (macro ``{cert_issuer}``)."""

    @property
    def is_authenticated(self) -> bool:
        return bool(self.login or self.mechanism)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT TO."""

    address: str
    """Mailbox without brackets."""
    is_local: bool = False
    """Ours by ``[local] domains`` (amavis: ``local_domains_maps``)."""
    parameters: tuple[str, ...] = ()
    """ESMTP parameters such as ``NOTIFY=NEVER``, as given."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Everything said before DATA. Final once the first field arrives."""

    sender: str
    """Reverse-path without brackets; empty for the null sender."""
    recipients: tuple[Recipient, ...]
    """Every recipient the MTA and we have accepted, in order."""
    client: Client = Client()
    traffic: Traffic = Traffic.INBOUND
    parameters: tuple[str, ...] = ()
    """ESMTP parameters of MAIL FROM, as given."""
    mta: str = ""
    """Host name of the MTA (macro ``j``)."""
    queue_id: str = ""
    """The MTA's queue id (macro ``i``)."""
    banks: tuple[str, ...] = ()
    """Names of the policy banks that hold, in their order."""
