# SPDX-License-Identifier: GPL-3.0-or-later
"""Which policy holds for a recipient, whether he is ours, and which way a message goes.

``[policy]`` is overlaid with the banks of the message, in their order, and then with the entries of
``[[recipient]]`` that match. For each setting the
closest entry that says something about it decides; the order in the file does not. Only
``banned_rules`` add up: the closest entry's sets are asked first, those of ``[policy]`` last.

*Source:* amavis: first defined answer wins, ``@local_domains_maps``, ``@mynetworks``, ``originating``.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from milterguard.config.settings import RecipientRule, Settings
from milterguard.core.banned import RuleSet
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client, Recipient, Traffic
from milterguard.core.finding import Category
from milterguard.core.policy import Policy
from milterguard.core.verdict import Judged
from milterguard.lookup.address import canonical_local_domain, canonical_match, domain_keys, match_keys, parse
from milterguard.lookup.banks import Banks
from milterguard.lookup.network import Address, address_of, is_within

_MAX_REMEMBERED = 4096
"""Composed policies kept; more combinations of entries than that are composed again."""
_DESTINIES = {
    name: category for category in Category if (name := f"{category.word}_destiny") in Policy.__dataclass_fields__
} | {"ambiguous_destiny": Category.UNCHECKED}
_REFUSALS = (Destiny.REJECT, Destiny.TEMPFAIL)
_RULES = "banned_rules"


class Policies:
    """Answers about addresses and clients under one configuration. Safe to use from several threads.

    Nothing in here raises, whatever the address: it comes from a stranger.
    """

    def __init__(self, settings: Settings) -> None:
        self._policy = settings.policy
        self._delimiter = settings.local.recipient_delimiter
        self._domains = frozenset(canonical_local_domain(domain) for domain in settings.local.domains)
        self._networks = tuple(ipaddress.ip_network(network) for network in settings.local.networks)
        self._overlays = _overlays(settings.recipients)
        self._refusing_rules = frozenset(each.name for each in settings.banned if _refuses(each))
        self._composed: dict[tuple[Traffic, tuple[str, ...], tuple[str, ...]], Policy] = {}
        self._banks = {each.name: each for each in settings.banks}
        self._chooser = Banks(settings.banks, delimiter=self._delimiter)

    def is_local(self, address: str) -> bool:
        """Whether mail for this address is ours to deliver.

        ``postmaster`` without a domain is (RFC 5321 section 4.5.1): our MTA appends its own.
        """
        parts = parse(address)
        if not parts.domain:
            return bool(parts.user) and not address.endswith("@")
        return not self._domains.isdisjoint(domain_keys(parts.domain))

    def traffic(self, client: Client) -> Traffic:
        """Return the direction a message from this client has.

        Mail that did not come by SMTP is announced by Postfix as from ``localhost``, 127.0.0.1, port 0.
        """
        if client.is_authenticated:
            return Traffic.ORIGINATING
        address = address_of(client.address)
        if client.port == 0 and _is_this_machine(client, address):
            return Traffic.LOCAL
        return Traffic.ORIGINATING if is_within(address, self._networks) else Traffic.INBOUND

    def banks(self, client: Client, sender: str, traffic: Traffic) -> tuple[str, ...]:
        """Return the names of the banks that hold for a message, in their order."""
        return self._chooser.chosen(client, sender, traffic)

    def judged(
        self, address: str, parameters: tuple[str, ...], traffic: Traffic, banks: tuple[str, ...] = ()
    ) -> Judged:
        """Return the recipient with the policy that holds for him in this direction, under these banks."""
        recipient = Recipient(address, is_local=self.is_local(address), parameters=parameters)
        return Judged(recipient, self.policy(address, traffic, banks), self.origins(address, banks))

    def policy(self, address: str, traffic: Traffic, banks: tuple[str, ...] = ()) -> Policy:
        """Return ``[policy]`` with everything laid over it that holds for this address, direction and these banks."""
        matched = self._matched(address)
        composed = self._composed.get((traffic, banks, matched))
        if composed is None:
            composed = self._compose(matched, traffic, banks)
            if len(self._composed) < _MAX_REMEMBERED:
                self._composed[traffic, banks, matched] = composed
        return composed

    def origins(self, address: str, banks: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
        """Return each overlaid setting with the key that matched and the entry it stands in, or with its bank."""
        found: dict[str, str] = {}
        for key in self._matched(address):
            for name, (_, origin) in self._overlays[key].items():
                said = f"{key}, {origin}"
                if name == _RULES and name in found:
                    found[name] += f"; {said}"
                found.setdefault(name, said)
        for bank in reversed(banks):
            for name, _ in self._banks[bank].settings:
                if name == _RULES and name in found:
                    found[name] += f"; {self._banks[bank].origin}"
                    continue
                found.setdefault(name, self._banks[bank].origin)
        return tuple(found.items())

    def _matched(self, address: str) -> tuple[str, ...]:
        """Return the keys of this address that an entry names, the closest first."""
        keys = match_keys(address, delimiter=self._delimiter) if self._overlays else ()
        return tuple(key for key in keys if key in self._overlays)

    def _compose(self, matched: tuple[str, ...], traffic: Traffic, banks: tuple[str, ...]) -> Policy:
        overlaid: dict[str, Any] = {}
        for name in banks:
            overlaid.update(self._banks[name].settings)
        base = replace(self._policy, **overlaid) if overlaid else self._policy
        settings: dict[str, Any] = {}
        for key in reversed(matched):
            settings.update({name: value for name, (value, _) in self._overlays[key].items()})
        if _RULES in settings:
            settings[_RULES] = self._rules(matched, base)
        policy = replace(base, **settings) if settings else base
        return self._without_refusals(policy) if traffic is Traffic.LOCAL else policy

    def _rules(self, matched: tuple[str, ...], base: Policy) -> tuple[str, ...]:
        """Return all sets that hold for these keys, each once, where it is named first."""
        named: list[str] = []
        for key in matched:
            value, _ = self._overlays[key].get(_RULES, ((), ""))
            named += value if isinstance(value, tuple) else ()
        return tuple(dict.fromkeys((*named, *base.banned_rules)))

    def _without_refusals(self, policy: Policy) -> Policy:
        """Return a policy that discards, and keeps, what it would refuse: there is no client to tell (D14).

        Postfix would write a bounce for a rejected message, and pickup(8) would come back every second
        with one that was deferred. What single rules refuse is discarded by the check that asks them.
        """
        refused = {name: category for name, category in _DESTINIES.items() if getattr(policy, name) in _REFUSALS}
        kept = set(refused.values())
        if not self._refusing_rules.isdisjoint(policy.banned_rules):
            kept.add(Category.BANNED)
        lost = tuple(category for category in policy.discard_without_copy if category not in kept)
        destinies: dict[str, Any] = dict.fromkeys(refused, Destiny.DISCARD)
        return replace(policy, discard_without_copy=lost, **destinies) if kept else policy


def _overlays(rules: Iterable[RecipientRule]) -> Mapping[str, Mapping[str, tuple[object, str]]]:
    """Return what is said about each key, with the entry that says it; a later entry says it better."""
    overlays: dict[str, dict[str, tuple[object, str]]] = {}
    for rule in rules:
        for text in rule.match:
            said = overlays.setdefault(canonical_match(text), {})
            said.update({name: (value, rule.origin) for name, value in rule.settings})
    return overlays


def _refuses(rules: RuleSet) -> bool:
    return any(rule.destiny in _REFUSALS for rule in rules.rules)


def _is_this_machine(client: Client, address: Address | None) -> bool:
    """Whether a client without a port is ``sendmail(1)``.

    A stranger behind a proxy that does not tell his address has no port either, but is ``unknown``.
    """
    if not client.address:
        return client.name in ("", "localhost")
    return address is not None and address.is_loopback
