# SPDX-License-Identifier: GPL-3.0-or-later
"""Which policy banks hold for a message, in the order in which they are laid over each other.

*Source:* amavis 2.17: banks overlay each other, and the log shows their path (``A/B``).
*Errors:* none, whatever a client says of itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from milterguard.core.bank import NON_SMTPD, NULL_SENDER, Bank
from milterguard.core.envelope import Client, Traffic
from milterguard.lookup.address import (
    canonical_domain,
    canonical_local_domain,
    canonical_match,
    domain_keys,
    match_keys,
)
from milterguard.lookup.network import address_of, is_within


@dataclass(frozen=True, slots=True)
class _Keys:
    """A bank, with what it compares in the form in which that is compared."""

    bank: Bank
    helos: frozenset[str]
    senders: frozenset[str]


class Banks:
    """The banks of one configuration. Safe to use from several threads."""

    def __init__(self, banks: Iterable[Bank], *, delimiter: str = "") -> None:
        self._banks = tuple(_keys(each) for each in with_built_in(banks))
        self._delimiter = delimiter

    def chosen(self, client: Client, sender: str, traffic: Traffic) -> tuple[str, ...]:
        """Return the names of the banks that hold, in their order."""
        return tuple(
            each.bank.name for each in self._banks if self._holds(each, client, sender=sender, traffic=traffic)
        )

    def originating(self, client: Client, sender: str, traffic: Traffic) -> bool | None:
        """Return what the last bank that holds makes of the direction; None when none says anything.

        A bank that is chosen by the direction is chosen by the one that mail has without banks.
        """
        held = (each.bank for each in self._banks if self._holds(each, client, sender=sender, traffic=traffic))
        return next((bank.originating for bank in reversed(list(held)) if bank.originating is not None), None)

    def _holds(self, keys: _Keys, client: Client, *, sender: str, traffic: Traffic) -> bool:
        """Whether everything that is said of a message is so."""
        when = keys.bank.when
        return (
            (not when.networks or is_within(address_of(client.address), when.networks))
            and (not when.daemons or client.daemon in when.daemons)
            and (not when.sockets or client.socket in when.sockets)
            and (not when.certificates or client.certificate in when.certificates)
            and (not when.issuers or client.issuer in when.issuers)
            and (not keys.helos or not keys.helos.isdisjoint(domain_keys(canonical_domain(client.helo))))
            and (not keys.senders or not keys.senders.isdisjoint(self._sender_keys(sender)))
            and (not when.traffics or traffic in when.traffics)
            and when.is_authenticated in (None, client.is_authenticated)
            and when.is_encrypted in (None, bool(client.tls))
        )

    def _sender_keys(self, sender: str) -> tuple[str, ...]:
        return match_keys(sender, delimiter=self._delimiter)


def with_built_in(banks: Iterable[Bank]) -> tuple[Bank, ...]:
    """Return the banks with the one that is always there, unless the settings have their own of that name."""
    named = tuple(banks)
    return named if any(each.name == NON_SMTPD.name for each in named) else (NON_SMTPD, *named)


def _keys(bank: Bank) -> _Keys:
    senders = (("" if text == NULL_SENDER else canonical_match(text)) for text in bank.when.senders)
    return _Keys(bank, frozenset(map(canonical_local_domain, bank.when.helos)), frozenset(senders))
