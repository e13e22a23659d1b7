# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard needs from the floors below it, said as contracts: it knows none of them by name.

``build.py`` hands it the real ones; a test may hand it others.
"""

from collections.abc import Sequence
from typing import Protocol

from milterguard.core.envelope import Client, Traffic
from milterguard.core.finding import Finding
from milterguard.core.given import Given
from milterguard.core.message import Message
from milterguard.core.proofs import Proofs
from milterguard.core.report import Record
from milterguard.core.verdict import Decision, InsertField, Judged


class Keeper(Protocol):
    """Makes the copy that has to be durable before anything is answered (``effects/keep.py``)."""

    def keep(self, message: Message, decision: Decision, findings: Sequence[Finding]) -> str:
        """Return the copy's location. Raises StoreError."""
        ...


class Recorder(Protocol):
    """Takes the record of an answered message; may lose it, must not raise or block (``effects/*``)."""

    def submit(self, record: Record) -> None: ...


class PolicySource(Protocol):
    """Knows what each recipient wants (``lookup/policies.py``)."""

    def traffic(self, client: Client, sender: str = "") -> Traffic: ...

    @property
    def need_proofs(self) -> bool: ...

    def banks(self, client: Client, sender: str, traffic: Traffic, proofs: Proofs | None = None) -> tuple[str, ...]: ...

    def judged(
        self,
        address: str,
        *,
        parameters: tuple[str, ...],
        traffic: Traffic,
        banks: tuple[str, ...] = (),
        sender: str = "",
    ) -> Judged:
        """Raises StoreError."""
        ...

    def with_authors(
        self, judged: Sequence[Judged], *, sender: str, authors: Sequence[str], banks: tuple[str, ...] = ()
    ) -> tuple[Judged, ...]:
        """Raises StoreError."""
        ...


class Signer(Protocol):
    """Adds signatures to a message that will be delivered (``effects/sign.py``)."""

    def edits(self, given: Given) -> tuple[InsertField, ...]:
        """Return the fields to be put above all others. Raises SignError."""
        ...


class Gate(Protocol):
    """Knows which release tokens are ours and unused (``store/tokens.py``)."""

    @property
    def key(self) -> bytes: ...

    def use_once(self, digest: str, expires: float) -> bool:
        """Mark a token as used, durably; False if it was. Raises StoreError."""
        ...
