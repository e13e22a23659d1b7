# SPDX-License-Identifier: GPL-3.0-or-later
"""Every list of addresses, domains or networks that the settings have: its entries checked, its files read.

What a file holds is kept with the settings. A worker that is born while somebody edits it begins with what was good
when the settings were read, and looks at the file itself from then on.

*Errors:* ConfigError: for an entry with the file and key of the list, for a line with the file that it stands in.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from milterguard.config.list_entry import check_entry, check_meaning
from milterguard.config.list_file import FileUse, ListFile, ListKind
from milterguard.config.list_reader import BrokenList, read_list
from milterguard.config.pattern import file_named, split_exception
from milterguard.config.settings import Settings
from milterguard.config.value import Mismatch
from milterguard.core.bank import Bank
from milterguard.core.policy import OnTrial
from milterguard.core.value_table import TableKind, ValueTable
from milterguard.errors import ConfigError

SENDER_LISTS: Mapping[str, ListKind] = {
    "deny_senders": ListKind.SENDERS,
    "allow_senders": ListKind.SENDERS,
    "score_senders": ListKind.SCORES,
}
"""The policy keys that are lists of addresses."""
_Pairs = Iterable[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class NamedList:
    """One list, and where it stands."""

    kind: ListKind
    entries: tuple[str, ...]
    file: str
    key: str
    selects: bool = False
    """Whether it says whom something is for, so that exceptions alone would mean nobody."""


def read_files(settings: Settings, origins: Mapping[str, str]) -> tuple[ListFile, ...]:
    """Return all files that lists and tables name, once for each use, with every list checked. Raises ConfigError."""
    uses: dict[FileUse, str] = {}
    for each in _lists_of(settings, origins):
        for path in _checked(each):
            uses.setdefault(FileUse(path, each.kind), f"{each.file}: {each.key}")
    for table in settings.tables:
        if table.kind is TableKind.FILE:
            uses.setdefault(FileUse(table.rows[0][0], ListKind.VALUES, table.setting), table.origin)
    return tuple(_read(use, named_by) for use, named_by in uses.items())


def _checked(named: NamedList) -> Iterator[str]:
    """Yield the files that a list names, its entries being good."""
    try:
        if named.selects:
            check_meaning(named.entries)
        for each in named.entries:
            check_entry(named.kind, each)
            path = file_named(split_exception(each)[0])
            if path is not None:
                yield path
    except Mismatch as mismatch:
        raise ConfigError(named.file, named.key, expected=mismatch.expected, got=mismatch.got) from None


def _read(use: FileUse, named_by: str) -> ListFile:
    try:
        return read_list(use)
    except BrokenList as broken:
        line = f"line {broken.line}" if broken.line else f"named in {named_by}"
        raise ConfigError(use.path, line, expected=broken.expected, got=broken.got) from None


def _lists_of(settings: Settings, origins: Mapping[str, str]) -> Iterator[NamedList]:
    """Yield every list of the settings but those of values."""
    for name, kind in (("domains", ListKind.DOMAINS), ("networks", ListKind.NETWORKS)):
        key = f"local.{name}"
        yield NamedList(kind, getattr(settings.local, name), origins.get(key, "default"), key, selects=True)
    for number, rule in enumerate(settings.recipients, start=1):
        file, place = _place(rule.origin, "recipient", number)
        yield NamedList(ListKind.RECIPIENTS, rule.match, file, f"{place}.match", selects=True)
        yield from _of_senders(rule.settings, file, place=place)
    for bank in settings.banks:
        yield from _of_bank(bank)
    for number, table in enumerate(settings.tables, start=1):
        yield from _of_table(table, number)
    for name in SENDER_LISTS:
        key, tried = f"policy.{name}", dict(settings.on_trial).get(name, ())
        file = origins.get(key, "default")
        yield from _of_senders([(name, getattr(settings.policy, name))], file, place="policy")
        yield from _of_senders([(name, tried)], origins.get(f"{key} (shadow)", file), place="policy")


def _of_bank(bank: Bank) -> Iterator[NamedList]:
    file, place = bank.origin.partition(": [")[0], f"bank.{bank.name}"
    for key, kind, entries in (
        ("network", ListKind.NETWORKS, bank.when.networks),
        ("helo", ListKind.DOMAINS, bank.when.helos),
        ("sender", ListKind.SENDERS, bank.when.senders),
        ("dkim_author", ListKind.SENDERS, bank.when.dkim_authors),
        ("aligned_author", ListKind.SENDERS, bank.when.aligned_authors),
        ("dkim_signer", ListKind.DOMAINS, bank.when.signers),
    ):
        yield NamedList(kind, entries, file, f"{place}.when.{key}", selects=True)
    yield from _of_senders(bank.settings, file, place=place)


def _of_table(table: ValueTable, number: int) -> Iterator[NamedList]:
    file, place = _place(table.origin, "table", number)
    if table.kind is TableKind.LIST:
        yield NamedList(ListKind.ORDERED, tuple(entry for entry, _ in table.rows), file, f"{place}.list")
    elif table.kind is not TableKind.FILE:
        values = [(table.setting, value) for _, value in table.rows]
        yield from _of_senders(values, file, place=f"{place}.{table.kind}")


def _of_senders(pairs: _Pairs, file: str, *, place: str) -> Iterator[NamedList]:
    """Yield the lists of senders among policy keys and values."""
    for key, said in pairs:
        value = said.value if isinstance(said, OnTrial) else said
        if key in SENDER_LISTS and isinstance(value, tuple):
            entries = tuple(each[0] if isinstance(each, tuple) else each for each in value)
            yield NamedList(SENDER_LISTS[key], entries, file, f"{place}.{key}")


def _place(origin: str, kind: str, number: int) -> tuple[str, str]:
    """Return the file of an entry, and the entry's name in it; ``number`` is that among all entries."""
    file, found, of_file = origin.rpartition(f": [[{kind}]] ")
    return (file, f"{kind}[{of_file}]") if found else (origin, f"{kind}[{number}]")
