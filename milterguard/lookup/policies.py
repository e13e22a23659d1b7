# SPDX-License-Identifier: GPL-3.0-or-later
"""Which policy holds for a recipient, whether he is ours, and which way a message goes.

``[policy]`` is overlaid with the banks of the message, in their order, then with the entries of
``[[recipient]]`` that match, then with what ``[[table]]``, a directory and a database say. For each setting
the closest entry that says something about it decides; the order in the file does not.

*Source:* amavis: first defined answer wins, ``@local_domains_maps``, ``@mynetworks``, ``originating``.
*Errors:* StoreError where a database cannot be asked and never was; nothing else raises, whatever the
address: it comes from a stranger.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from milterguard.config.list_file import ListKind
from milterguard.config.lists import SENDER_LISTS, read_files
from milterguard.config.settings import Settings
from milterguard.core.banned import RuleSet
from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Client, Recipient, Traffic
from milterguard.core.finding import Category
from milterguard.core.listed import NOT_LISTED
from milterguard.core.policy import Policy
from milterguard.core.proofs import Proofs
from milterguard.core.verdict import Judged
from milterguard.lookup.address import domain_keys, match_keys, parse
from milterguard.lookup.banks import Banks, with_built_in
from milterguard.lookup.layer import Layer, SenderEntry, Source, as_tried, composed, origins
from milterguard.lookup.live_file import LiveFiles
from milterguard.lookup.network import Address, Networks, address_of
from milterguard.lookup.recipients import Recipients
from milterguard.lookup.senders import Sender, SenderLists, listed, senders_of
from milterguard.lookup.table import Table
from milterguard.lookup.value_table import ValueTables

_MAX_REMEMBERED = 4096
"""Composed policies kept; more combinations of entries than that are composed again."""
_DESTINIES = {
    name: category for category in Category if (name := f"{category.word}_destiny") in Policy.__dataclass_fields__
} | {
    "ambiguous_destiny": Category.UNCHECKED,
    "dmarc_reject_destiny": Category.FORGED,
    "dmarc_quarantine_destiny": Category.FORGED,
}
_REFUSALS = (Destiny.REJECT, Destiny.TEMPFAIL)
_POLICY_ORIGIN = "[policy]"


class Policies:
    """Answers about addresses and clients under one configuration. Safe to use from several threads."""

    def __init__(self, settings: Settings, sources: Sequence[Source] = (), *, files: LiveFiles | None = None) -> None:
        """``sources`` are asked in this order, before the files; ``files`` are those that the settings name.

        Raises ConfigError for a file that was not read with the settings and cannot be read now.
        """
        self._files = LiveFiles(settings.files or read_files(settings, {})) if files is None else files
        self._policy = settings.policy
        self._delimiter = settings.local.recipient_delimiter
        domains = ((domain, None) for domain in settings.local.domains)
        self._domains = Table(domains, files=self._files, kind=ListKind.DOMAINS)
        self._networks = Networks(settings.local.networks, files=self._files)
        self._sources = tuple(sources)
        self._tables = ValueTables(settings.tables, self._files)
        self._recipients = Recipients(settings.recipients, self._files)
        self._base = (
            Layer(settings.on_trial, _POLICY_ORIGIN),
            Layer(_sender_lists_of(settings.policy), _POLICY_ORIGIN),
        )
        self._refusing_rules = frozenset(each.name for each in settings.banned if _refuses(each))
        self._banks = {
            each.name: Layer(each.settings, each.origin, replaces=True) for each in with_built_in(settings.banks)
        }
        self._chooser = Banks(settings.banks, delimiter=self._delimiter, files=self._files)
        self._composed = lru_cache(_MAX_REMEMBERED)(self._compose)
        self._lists = lru_cache(_MAX_REMEMBERED)(self._lists_of)
        self._tried = lru_cache(_MAX_REMEMBERED)(as_tried)

    def is_local(self, address: str) -> bool:
        """Whether ``local.domains`` says that mail for this address is ours to deliver.

        ``postmaster`` without a domain is (RFC 5321 section 4.5.1): our MTA appends its own.
        """
        parts = parse(address)
        if not parts.domain:
            return bool(parts.user) and not address.endswith("@")
        return self._domains.find((address, *domain_keys(parts.domain))) is not None

    def traffic(self, client: Client, sender: str = "") -> Traffic:
        """Return the direction a message from this client has; a bank may say that it is ``originating``.

        Mail that did not come by SMTP is announced by Postfix as from ``localhost``, 127.0.0.1, port 0.
        """
        traffic = self._traffic(client)
        said = self._chooser.originating(client, sender, traffic)
        if said is None or traffic is Traffic.LOCAL:
            return traffic
        return Traffic.ORIGINATING if said else Traffic.INBOUND

    def _traffic(self, client: Client) -> Traffic:
        if client.is_authenticated:
            return Traffic.ORIGINATING
        address = address_of(client.address)
        if client.port == 0 and _is_this_machine(client, address):
            return Traffic.LOCAL
        return Traffic.ORIGINATING if self._networks.hold(address) else Traffic.INBOUND

    @property
    def need_proofs(self) -> bool:
        """Whether there are banks that can be told only once it is known who sent the message."""
        return self._chooser.need_proofs

    def banks(self, client: Client, sender: str, traffic: Traffic, proofs: Proofs | None = None) -> tuple[str, ...]:
        """Return the names of the banks that hold for a message, in their order."""
        return self._chooser.chosen(client, sender, traffic, proofs)

    def judged(
        self,
        address: str,
        parameters: tuple[str, ...],
        traffic: Traffic,
        banks: tuple[str, ...] = (),
        sender: str = "",
    ) -> Judged:
        """Return the recipient with the policy that holds for him in this direction, under these banks.

        His lists have been asked about the envelope sender. Raises StoreError.
        """
        layers = self.layers(address, banks, sender)
        policy, trial = self._composed(layers, traffic)
        said = next((layer.is_local for layer in layers if layer.is_local is not None), None)
        recipient = Recipient(address, self.is_local(address) if said is None else said, parameters)
        judged = Judged(recipient, policy, _origins(layers), trial=trial)
        return self._with_lists(judged, layers, self._senders(sender, ()))

    def with_authors(
        self, judged: Sequence[Judged], *, sender: str, authors: Sequence[str], banks: tuple[str, ...] = ()
    ) -> tuple[Judged, ...]:
        """Return the recipients once their lists have been asked about the authors in From as well. Raises StoreError.

        A database is asked about all of them at once.
        """
        others = [author for author in dict.fromkeys(authors) if author != sender]
        if not others:
            return tuple(judged)
        layers = [self.layers(each.recipient.address, banks, sender) for each in judged]
        of_authors = self._entries(_rids(layer for each in layers for layer in each), others)
        senders = self._senders(sender, authors)
        return tuple(self._with_lists(each, its, senders, of_authors) for each, its in zip(judged, layers, strict=True))

    def policy(self, address: str, traffic: Traffic, banks: tuple[str, ...] = (), sender: str = "") -> Policy:
        """Return ``[policy]`` with everything laid over it that holds for this address, direction and these banks."""
        return self._composed(self.layers(address, banks, sender), traffic)[0]

    def origins(self, address: str, banks: tuple[str, ...] = (), sender: str = "") -> tuple[tuple[str, str], ...]:
        """Return each overlaid setting with the key that matched and the entry it stands in, or with its bank."""
        return _origins(self.layers(address, banks, sender))

    def layers(self, address: str, banks: tuple[str, ...] = (), sender: str = "") -> tuple[Layer, ...]:
        """Return everything that says something about a recipient, the closest first, ``[policy]`` last.

        Sources, then ``[[table]]``, ``[[recipient]]``, banks.
        """
        is_local = self.is_local(address)
        return (
            *(layer for source in self._sources for layer in source.layers(address, sender=sender, is_local=is_local)),
            *self._matched(address),
            *(self._banks[name] for name in reversed(banks)),
            *self._base,
        )

    def close(self) -> None:
        """Close the databases and directories."""
        for source in self._sources:
            source.close()

    def _matched(self, address: str) -> Iterable[Layer]:
        """Return what the files say about an address, the closest first."""
        if not (self._tables or self._recipients):
            return ()
        keys = match_keys(address, delimiter=self._delimiter)
        return (*self._tables.layers(keys), *self._recipients.layers(keys))

    def _compose(self, layers: tuple[Layer, ...], traffic: Traffic) -> tuple[Policy, Policy | None]:
        policy, trial = composed(self._policy, layers)
        if traffic is not Traffic.LOCAL:
            return policy, trial
        return self._without_refusals(policy), None if trial is None else self._without_refusals(trial)

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

    def _senders(self, sender: str, authors: Sequence[str]) -> tuple[Sender, ...]:
        return senders_of(sender, authors, delimiter=self._delimiter)

    def _with_lists(
        self,
        judged: Judged,
        layers: tuple[Layer, ...],
        senders: tuple[Sender, ...],
        of_authors: Sequence[SenderEntry] = (),
    ) -> Judged:
        """Return the recipient with what his lists say, and what they would if those on trial held.

        ``of_authors`` are the rows of ``wblist`` for the authors, also of others' lists.
        """
        entries = self._own_entries(_rids(layers), senders[0].address, of_authors)
        said = listed(senders, self._sender_lists(layers), entries)
        if judged.trial is None:
            return replace(judged, listed=said) if said is not NOT_LISTED else judged
        tried = tuple(map(self._tried, layers))
        return replace(judged, listed=said, trial_listed=listed(senders, self._sender_lists(tried), entries))

    def _own_entries(
        self, rids: Sequence[int], sender: str, of_authors: Sequence[SenderEntry]
    ) -> Sequence[SenderEntry]:
        """Return one recipient's rows, those of his closest ``users.id`` first, in each the highest priority."""
        entries = (entry for entry in (*self._entries(rids, [sender]), *of_authors) if entry.rid in rids)
        return sorted(dict.fromkeys(entries), key=lambda entry: (rids.index(entry.rid), -entry.priority))

    def _sender_lists(self, layers: tuple[Layer, ...]) -> tuple[SenderLists, ...]:
        """Return the lists that these layers have, the closest first; those below a bank's own are out."""
        asked = frozenset(SENDER_LISTS)
        found = []
        for layer in layers:
            lists = self._lists(layer, asked)
            if lists is None:
                continue
            found.append(lists)
            if layer.replaces:
                asked -= dict(layer.settings).keys()
        return tuple(found)

    def _entries(self, rids: Sequence[int], senders: Sequence[str]) -> list[SenderEntry]:
        """Return the rows of ``wblist`` for these senders in the lists of these recipients."""
        return [entry for source in self._sources for entry in source.entries(rids, senders)] if rids else []

    def _lists_of(self, layer: Layer, asked: frozenset[str]) -> SenderLists | None:
        """Return those of the lists asked for that a layer has; None when it has none."""
        said = {name: value for name, value in layer.settings if name in asked}
        if not said:
            return None
        denied, allowed, points = (_in_force(said.get(name)) for name in SENDER_LISTS)
        return SenderLists(
            Table(((text, None) for text in denied), files=self._files),
            Table(((text, None) for text in allowed), files=self._files),
            Table(points, files=self._files, kind=ListKind.SCORES),
            layer.origin,
        )


def _rids(layers: Iterable[Layer]) -> tuple[int, ...]:
    """Return the ids under which ``wblist`` has lists, each once, the closest first."""
    return tuple(dict.fromkeys(layer.rid for layer in layers if layer.rid is not None))


def _origins(layers: Sequence[Layer]) -> tuple[tuple[str, str], ...]:
    """Return what says something else than ``[policy]`` does."""
    return origins(layer for layer in layers if layer.origin != _POLICY_ORIGIN)


def _sender_lists_of(policy: Policy) -> tuple[tuple[str, object], ...]:
    """Return the lists of ``[policy]`` as settings: the only ones that are asked layer by layer."""
    return tuple((name, value) for name in SENDER_LISTS if (value := getattr(policy, name)))


def _in_force(value: object) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()


def _refuses(rules: RuleSet) -> bool:
    return any(rule.destiny in _REFUSALS for rule in rules.rules)


def _is_this_machine(client: Client, address: Address | None) -> bool:
    """Whether a client without a port is ``sendmail(1)``.

    A stranger behind a proxy that does not tell his address has no port either, but is ``unknown``.
    """
    if not client.address:
        return client.name in ("", "localhost")
    return address is not None and address.is_loopback
