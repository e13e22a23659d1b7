# SPDX-License-Identifier: GPL-3.0-or-later
"""What shall happen to a message, as values: nothing here has been done yet.

*Source:* RFC 3463 (enhanced status codes); the milter protocol's modifications.
"""

from dataclasses import dataclass

from milterguard.core.destiny import Destiny
from milterguard.core.envelope import Recipient
from milterguard.core.finding import Category, Finding
from milterguard.core.listed import NOT_LISTED, Listed, Listing
from milterguard.core.part import Tree
from milterguard.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Reply:
    """The line the SMTP client reads after its final dot."""

    code: int
    """4xx or 5xx."""
    status: str
    """RFC 3463 code of the same class, such as ``5.7.0``."""
    text: str
    """Printable ASCII, at most 400 characters."""

    def __str__(self) -> str:
        return f"{self.code} {self.status} {self.text}"


@dataclass(frozen=True, slots=True)
class RemoveField:
    """Remove one of the message's own fields."""

    name: str
    index: int
    """Which of the fields of that name, from 1."""


@dataclass(frozen=True, slots=True)
class ChangeField:
    """Give one of the message's own fields another value."""

    name: str
    index: int
    """Which of the fields of that name, from 1."""
    value: str
    """Unfolded or folded with LF and a space; without leading space."""


@dataclass(frozen=True, slots=True)
class InsertField:
    """Put a field above all others. The last one inserted stands on top."""

    name: str
    value: str
    """Unfolded or folded with LF and a space; without leading space."""


@dataclass(frozen=True, slots=True)
class RemoveRecipient:
    """Take a recipient from the envelope: a copy for him has been kept, or he gets it at another address."""

    address: str


@dataclass(frozen=True, slots=True)
class AddRecipient:
    """Put another recipient into the envelope."""

    address: str
    parameters: tuple[str, ...] = ()
    """ESMTP parameters of RCPT, such as ``NOTIFY=NEVER``; printable ASCII without blanks."""


Edit = RemoveField | ChangeField | InsertField | AddRecipient | RemoveRecipient


@dataclass(frozen=True, slots=True)
class Judged:
    """A recipient with the policy that holds for him."""

    recipient: Recipient
    policy: Policy
    origins: tuple[tuple[str, str], ...] = ()
    """Settings that are not those of ``[policy]``, each with what says so: the key that matched and its entry."""
    listed: Listed = NOT_LISTED
    """What the recipient's lists say about the senders."""
    trial: Policy | None = None
    """The policy as it would be if everything on trial held; None when nothing is."""
    trial_listed: Listed = NOT_LISTED
    """What the lists would say then."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a recipient would have got by rules, levels and destinies that are on trial (``shadow = true``)."""

    destiny: Destiny
    category: Category
    blocking: Category | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one recipient gets."""

    recipient: Recipient
    policy: Policy
    destiny: Destiny
    """By his own policy, before all recipients agreed."""
    category: Category
    """The heaviest category he has, blocking or not (amavis: main ccat)."""
    blocking: Category | None
    """The category that decided against delivery; None when he would get the mail."""
    categories: frozenset[Category]
    score: float | None
    """Points of the spam checks; None when there are none for him."""
    is_tagged: bool = False
    """At or above his tag level."""
    is_spammy: bool = False
    """At or above his tag2 level."""
    is_blatant: bool = False
    """At or above his tag3 level."""
    listing: Listing | None = None
    """What his lists decided about the sender; an allowed one who had to prove himself has done so."""
    listed: Listed = NOT_LISTED
    """As in ``Judged``."""
    tried: Tried | None = None
    """What would be different by what is on trial; None when nothing would."""
    origins: tuple[tuple[str, str], ...] = ()
    """As in ``Judged``, for the evidence."""

    @property
    def address(self) -> str:
        return self.recipient.address


@dataclass(frozen=True, slots=True)
class Keep:
    """A copy that must be durable before anything is answered."""

    category: Category
    """Names the file: ``virus-…``, ``spam-….gz``."""
    recipients: tuple[str, ...]
    """For whom it is kept (``X-Envelope-To-Blocked``)."""
    folder: str = ""
    """Below the quarantine's root; empty: the root itself."""
    parts: tuple["Keep", ...] = ()
    """Where recipients want it in several folders, one for each of them, in the order of their names."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the findings and the policies come to. Independent of the order of either."""

    answer: Destiny
    outcomes: tuple[Outcome, ...]
    """One for each recipient, in their order."""
    category: Category
    """What is logged: the heaviest blocking category, or the heaviest at all."""
    removed: tuple[str, ...] = ()
    """Recipients taken from an accepted message."""
    keep: Keep | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision made ready for the MTA."""

    decision: Decision
    findings: tuple[Finding, ...]
    """In the order of the checks."""
    reply: Reply | None = None
    """For REJECT and TEMPFAIL."""
    edits: tuple[Edit, ...] = ()
    """In the order in which they must be applied (D2)."""
    moved: tuple[tuple[str, str], ...] = ()
    """Recipients who get the message at another address, with that address."""
    bcc: tuple[str, ...] = ()
    """Who gets it as well."""
    quarantined_as: str = ""
    """Location of the kept copy, relative to the quarantine's root; of several with ``", "`` between."""
    skipped: tuple[str, ...] = ()
    """Checks that nobody wanted, or that were not waited for, because an infection had decided."""
    unwanted: tuple[str, ...] = ()
    """Of those the ones that nobody wanted: all bypass them, or have lists that know the sender."""
    tree: Tree = ()
    """The message's parts, where it was taken apart."""
    breaks: tuple[str, ...] = ()
    """Domains whose valid DKIM signatures our edits break."""
    spares: tuple[str, ...] = ()
    """Domains for whose valid signatures an edit was left undone, or made elsewhere."""
    released: str = ""
    """Id of the quarantined message that this one gives back; empty for all other mail."""
    is_observed: bool = False
    """The decision is told and has no effect: the message passes (``server.observe``)."""

    @property
    def answer(self) -> Destiny:
        return Destiny.PASS if self.is_observed else self.decision.answer

    @property
    def removed(self) -> tuple[str, ...]:
        """Recipients who are taken from the message."""
        return () if self.is_observed else self.decision.removed
