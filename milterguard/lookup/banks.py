# SPDX-License-Identifier: GPL-3.0-or-later
"""Which policy banks hold for a message, in the order in which they are laid over each other.

*Source:* amavis 2.17: banks overlay each other, and the log shows their path (``A/B``).
*Errors:* none, whatever a client says of itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from milterguard.config.list_file import ListKind
from milterguard.core.bank import NON_SMTPD, Bank
from milterguard.core.envelope import Client, Traffic
from milterguard.core.proofs import Proofs
from milterguard.lookup.address import canonical_domain, domain_keys, match_keys
from milterguard.lookup.live_file import LiveFiles
from milterguard.lookup.network import Networks, address_of
from milterguard.lookup.table import Table

_NO_FILES = LiveFiles()


@dataclass(frozen=True, slots=True)
class _Keys:
    """A bank, with what it compares in the form in which that is compared."""

    bank: Bank
    networks: Networks
    helos: Table[None]
    senders: Table[None]
    dkim_authors: Table[None]
    aligned_authors: Table[None]
    signers: Table[None]


class Banks:
    """The banks of one configuration. Safe to use from several threads."""

    def __init__(self, banks: Iterable[Bank], *, delimiter: str = "", files: LiveFiles = _NO_FILES) -> None:
        self._banks = tuple(_keys(each, files) for each in with_built_in(banks))
        self._delimiter = delimiter

    @property
    def need_proofs(self) -> bool:
        """Whether any can be told only once it is known who sent the message."""
        return any(each.bank.when.needs_proofs for each in self._banks)

    def chosen(self, client: Client, sender: str, traffic: Traffic, proofs: Proofs | None = None) -> tuple[str, ...]:
        """Return the names of the banks that hold, in their order; without ``proofs`` those that need none."""
        return tuple(
            each.bank.name
            for each in self._banks
            if self._holds(each, client, sender=sender, traffic=traffic) and self._is_proven(each, proofs)
        )

    def originating(self, client: Client, sender: str, traffic: Traffic) -> bool | None:
        """Return what the last bank that holds makes of the direction; None when none says anything.

        A bank that is chosen by the direction is chosen by the one that mail has without banks.
        """
        held = (
            each.bank
            for each in self._banks
            if not each.bank.when.needs_proofs and self._holds(each, client, sender=sender, traffic=traffic)
        )
        return next((bank.originating for bank in reversed(list(held)) if bank.originating is not None), None)

    def _holds(self, keys: _Keys, client: Client, *, sender: str, traffic: Traffic) -> bool:
        """Whether everything that is said of a message is so."""
        when = keys.bank.when
        return (
            (not when.networks or keys.networks.hold(address_of(client.address)))
            and (not when.daemons or client.daemon in when.daemons)
            and (not when.sockets or client.socket in when.sockets)
            and (not when.certificates or client.certificate in when.certificates)
            and (not when.issuers or client.issuer in when.issuers)
            and (not when.helos or keys.helos.find(_helo_keys(client.helo)) is not None)
            and (not when.senders or keys.senders.find(self._sender_keys(sender)) is not None)
            and (not when.traffics or traffic in when.traffics)
            and when.is_authenticated in (None, client.is_authenticated)
            and when.is_encrypted in (None, bool(client.tls))
        )

    def _is_proven(self, keys: _Keys, proofs: Proofs | None) -> bool:
        when = keys.bank.when
        if not when.needs_proofs:
            return True
        if proofs is None:
            return False
        author = self._sender_keys(proofs.author) if proofs.author else ()
        return (
            (not when.dkim_authors or (proofs.is_by_dkim and keys.dkim_authors.find(author) is not None))
            and (not when.aligned_authors or keys.aligned_authors.find(author) is not None)
            and (not when.signers or any(keys.signers.find(_helo_keys(each)) is not None for each in proofs.signers))
        )

    def _sender_keys(self, sender: str) -> tuple[str, ...]:
        return match_keys(sender, delimiter=self._delimiter)


def with_built_in(banks: Iterable[Bank]) -> tuple[Bank, ...]:
    """Return the banks with the one that is always there, unless the settings have their own of that name."""
    named = tuple(banks)
    return named if any(each.name == NON_SMTPD.name for each in named) else (NON_SMTPD, *named)


def _keys(bank: Bank, files: LiveFiles) -> _Keys:
    when = bank.when
    return _Keys(
        bank,
        Networks(when.networks, files=files),
        Table(((text, None) for text in when.helos), files=files, kind=ListKind.DOMAINS),
        Table(((text, None) for text in when.senders), files=files),
        Table(((text, None) for text in when.dkim_authors), files=files),
        Table(((text, None) for text in when.aligned_authors), files=files),
        Table(((text, None) for text in when.signers), files=files, kind=ListKind.DOMAINS),
    )


def _helo_keys(helo: str) -> tuple[str, ...]:
    return (helo, *domain_keys(canonical_domain(helo)))
