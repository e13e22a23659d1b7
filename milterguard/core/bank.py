# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy banks: what is laid over ``[policy]`` for a whole message, and for which messages.

*Source:* amavis ``%policy_bank``, ``%interface_policy``, ``@client_ipaddr_policy``, ``@author_to_policy_bank_maps``.
*Errors:* none.
"""

from dataclasses import dataclass

from milterguard.core.envelope import Traffic

NULL_SENDER = "<>"
"""How the null sender is written in ``when``."""


@dataclass(frozen=True, slots=True)
class When:
    """What must be so of a message: everything that is said; of several values in one key, one."""

    networks: tuple[str, ...] = ()
    """Of the client; the first that it is in decides, with ``!`` that it is not meant."""
    daemons: tuple[str, ...] = ()
    """Names of the MTA's listeners (macro ``{daemon_name}``)."""
    sockets: tuple[str, ...] = ()
    """Of ours, as ``server.listen`` has them."""
    certificates: tuple[str, ...] = ()
    """Subjects of client certificates that the MTA has verified."""
    issuers: tuple[str, ...] = ()
    """Who signed such a certificate."""
    helos: tuple[str, ...] = ()
    """Host names, with a leading dot for a domain and what is below it; ``!``, ``/expression/``, ``file:/PATH``."""
    senders: tuple[str, ...] = ()
    """Written like ``match`` of recipients; ``<>`` for the null sender."""
    dkim_authors: tuple[str, ...] = ()
    """Authors in From whom a DKIM signature proves; written like senders. Known once the message is here."""
    aligned_authors: tuple[str, ...] = ()
    """Authors whom SPF or DKIM proves."""
    signers: tuple[str, ...] = ()
    """Domains of DKIM signatures that hold (``d=``)."""
    traffics: tuple[Traffic, ...] = ()
    is_authenticated: bool | None = None
    is_encrypted: bool | None = None
    """By TLS."""

    @property
    def needs_proofs(self) -> bool:
        """Whether it can be told only once it is known who sent the message."""
        return bool(self.dkim_authors or self.aligned_authors or self.signers)


@dataclass(frozen=True, slots=True)
class Bank:
    """One bank."""

    name: str
    when: When
    settings: tuple[tuple[str, object], ...]
    """Policy keys and values."""
    origin: str = ""
    """File and name, for messages."""
    originating: bool | None = None
    """What it makes of the direction (amavis: ``originating``); None: nothing."""


NON_SMTPD = Bank("NON_SMTPD", When(traffics=(Traffic.LOCAL,)), (), "built in")
"""Mail that did not come by SMTP has a bank of its own, which the settings may give something to say (D14)."""
