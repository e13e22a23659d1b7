# SPDX-License-Identifier: GPL-3.0-or-later
"""From findings and policies to a decision: pure, total, and the same in whatever order they come.

Each recipient is judged alone (``judge``), then all agree on one answer (``agree``), because a
milter has one reply for the whole message. D1, D3 and D13 of the design are this file.

*Source:* amavis' blocking category and level arithmetic (all comparisons are ≥).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from milterguard.core.by_category import said_of
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.dmarc import Wish
from milterguard.core.finding import Category, Finding
from milterguard.core.folder import ROOT
from milterguard.core.levels import is_blatant, is_tagged, listing_of, reaches, spam_categories
from milterguard.core.listed import Listing
from milterguard.core.part import Flag
from milterguard.core.policy import Policy
from milterguard.core.verdict import Decision, Judged, Keep, Outcome, Tried

_SEVERITY = (Destiny.PASS, Destiny.TEMPFAIL, Destiny.DISCARD, Destiny.REJECT)
"""From mild to severe, for findings of one category and for ``mixed_recipients = "strictest"``."""
_SPAM_CHECK = "spamd"
_SPAM_CATEGORIES = (Category.SPAM, Category.SPAMMY)


def decide(findings: Sequence[Finding], judged: Sequence[Judged], *, mixed: Mixed) -> Decision:
    """Return what becomes of a message with these findings for these recipients.

    ``judged`` must not be empty. Never raises. Adding a finding (without negative points) never
    turns a blocked recipient into one who gets the mail, and the recipient list is never emptied:
    when nobody passes, the answer is TEMPFAIL, REJECT or DISCARD.
    """
    outcomes = tuple(judge(findings, each) for each in judged)
    answer = agree({outcome.destiny for outcome in outcomes}, mixed)
    removed = _removed(outcomes) if answer is Destiny.PASS else ()
    return Decision(
        answer=answer,
        outcomes=outcomes,
        category=_main_category(outcomes, answer),
        removed=removed,
        keep=_kept(outcomes, answer, frozenset(removed)),
    )


def judge(findings: Iterable[Finding], judged: Judged) -> Outcome:
    """Return what one recipient would get if the message were for him alone, and what by rules on trial."""
    told = tuple(findings)
    in_force = tuple(finding for finding in told if not finding.is_on_trial)
    outcome = _outcome(in_force, judged, judged.policy)
    if judged.trial is None and len(in_force) == len(told):
        return outcome
    if judged.trial is not None:
        judged = replace(judged, policy=judged.trial, listed=judged.trial_listed)
    other = _outcome(told, judged, judged.policy)
    tried = Tried(other.destiny, other.category, other.blocking)
    is_same = tried == Tried(outcome.destiny, outcome.category, outcome.blocking)
    return outcome if is_same else replace(outcome, tried=tried)


def _outcome(findings: Sequence[Finding], judged: Judged, policy: Policy) -> Outcome:
    listing = listing_of(judged.listed, policy, findings)
    relevant = [finding for finding in findings if _is_relevant(finding, policy, listing)]
    score = None if policy.bypass_spam_checks else _total_score(relevant, judged.listed.points)
    categories = {finding.category for finding in relevant} | {Category.CLEAN}
    categories |= spam_categories(score, policy, listing)
    blocking = _blocking_category(categories, relevant, policy)
    return Outcome(
        recipient=judged.recipient,
        policy=policy,
        destiny=Destiny.PASS if blocking is None else _destiny(blocking, relevant, policy),
        category=max(categories),
        blocking=blocking,
        categories=frozenset(categories),
        score=score,
        is_tagged=not policy.bypass_spam_checks and is_tagged(score, policy, listing),
        is_spammy=Category.SPAMMY in categories,
        is_blatant=is_blatant(score, policy, listing),
        listing=listing,
        listed=judged.listed,
        origins=judged.origins,
    )


def concerned(outcomes: Iterable[Outcome], answer: Destiny) -> tuple[Outcome, ...]:
    """Return the outcomes that an answer speaks of: a 451 of those who want one, a refusal of all who are blocked."""
    if answer in (Destiny.PASS, Destiny.TEMPFAIL):
        return tuple(outcome for outcome in outcomes if outcome.destiny is answer)
    return tuple(outcome for outcome in outcomes if outcome.destiny is not Destiny.PASS)


def grounds(findings: Iterable[Finding], outcomes: Sequence[Outcome]) -> tuple[Finding, ...]:
    """Return the findings on which these outcomes stand, in their order.

    Of a recipient who is blocked that is what blocked him, of one who gets the mail all that he has.
    What only others have is nobody's business, and a finding that lets mail pass is no reason for a refusal.
    """
    return tuple(finding for finding in findings if any(_is_ground(finding, outcome) for outcome in outcomes))


def agree(destinies: Iterable[Destiny], mixed: Mixed) -> Destiny:
    """Return the one answer for recipients with these destinies (D1).

    PASS together with others means that the others are removed from the accepted message.
    """
    wanted = set(destinies)
    if Destiny.TEMPFAIL in wanted:
        return Destiny.TEMPFAIL
    if len(wanted) == 1:
        return wanted.pop()
    if Destiny.PASS not in wanted:
        return Destiny.REJECT
    if mixed is Mixed.STRICTEST:
        return max(wanted, key=_SEVERITY.index)
    return Destiny.PASS


def is_settled(findings: Sequence[Finding], judged: Sequence[Judged]) -> bool:
    """Whether no further finding can change the answer: an infection that blocks everybody.

    VIRUS is the heaviest category, so whatever a slower check would say, it decides.
    """
    return all(judge(findings, each).blocking is Category.VIRUS for each in judged)


def is_wanted(check: str, judged: Sequence[Judged]) -> bool:
    """Whether anybody wants to hear what that check says: all may bypass it, or have lists that know the sender."""
    return not all(_needs_nothing_of(check, each) for each in judged)


def _needs_nothing_of(check: str, judged: Judged) -> bool:
    if not all(_bypasses_kind(check, policy) for policy in (judged.policy, judged.trial) if policy):
        has_to_prove = judged.listed.listing is Listing.ALLOWED and judged.policy.allow_only_authenticated
        return check == _SPAM_CHECK and judged.listed.listing is not None and not has_to_prove
    return True


def _is_relevant(finding: Finding, policy: Policy, listing: Listing | None = None) -> bool:
    """Whether a finding is about this recipient: found by his rules, by a check that he does not bypass."""
    if finding.size is not None and not 0 < policy.message_size_limit < finding.size:
        return False
    if listing is not None and finding.check == _SPAM_CHECK and finding.category is Category.FAILED:
        return False  # it could not have said anything that counts
    return finding.rules in (None, policy.banned_rules) and not is_bypassed(finding, policy)


def _is_ground(finding: Finding, outcome: Outcome) -> bool:
    policy = outcome.policy
    if finding.is_on_trial or not _is_relevant(finding, policy, outcome.listing):
        return False
    if outcome.blocking is None:
        return True
    return finding.category is outcome.blocking and destiny_of(finding, policy) is not Destiny.PASS


def is_bypassed(finding: Finding, policy: Policy) -> bool:
    """Whether a policy has it that such a finding is nothing to the recipient."""
    if finding.category is Category.FAILED or finding.score is not None:
        # A failed check, or points, belong to the kind of check that a recipient may bypass.
        return _bypasses_kind(finding.check, policy)
    return policy.bypasses(finding.category)


def _bypasses_kind(check: str, policy: Policy) -> bool:
    return {
        "clamd": policy.bypass_virus_checks,
        _SPAM_CHECK: policy.bypass_spam_checks,
        "parts": policy.bypass_virus_checks and policy.bypass_banned_checks,
        "banned": policy.bypass_banned_checks,
        "bad_header": policy.bypass_header_checks,
    }.get(check, False)


def _total_score(findings: Iterable[Finding], listed: float | None) -> float | None:
    scores = [finding.score for finding in findings if finding.score is not None]
    if listed is not None:
        scores.append(listed)
    return sum(sorted(scores)) if scores else None


def _blocking_category(categories: Iterable[Category], findings: Iterable[Finding], policy: Policy) -> Category | None:
    """Return the heaviest category whose destiny is not PASS (amavis: blocking ccat)."""
    for category in sorted(categories, reverse=True):
        if _destiny(category, findings, policy) is not Destiny.PASS:
            return category
    return None


def _destiny(category: Category, findings: Iterable[Finding], policy: Policy) -> Destiny:
    """Return what becomes of a message of that category: the severest answer, where its findings differ."""
    mine = [finding for finding in findings if finding.category is category]
    if policy.loves(category) or not mine:
        return policy.destiny(category)
    return max((destiny_of(finding, policy) for finding in mine), key=_SEVERITY.index)


def destiny_of(finding: Finding, policy: Policy) -> Destiny:
    """Return what a policy makes of one finding, lovers aside where the finding says so itself."""
    if finding.category is Category.FAILED:
        return Destiny.TEMPFAIL if finding.on_failure is Destiny.TEMPFAIL else Destiny.PASS
    if finding.category is Category.BANNED and finding.destiny is not None:
        return finding.destiny
    if finding.category is Category.UNCHECKED and finding.minor == Flag.AMBIGUOUS:
        return policy.ambiguous_destiny
    if finding.category is Category.FORGED and finding.minor == Wish.QUARANTINE:
        return policy.dmarc_quarantine_destiny
    return policy.destiny(finding.category)


def _removed(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return the blocked recipients of a message that others get, each address once."""
    passing = {outcome.address for outcome in outcomes if outcome.destiny is Destiny.PASS}
    blocked = (outcome.address for outcome in outcomes if outcome.destiny is not Destiny.PASS)
    return tuple(dict.fromkeys(address for address in blocked if address not in passing))


def _main_category(outcomes: Sequence[Outcome], answer: Destiny) -> Category:
    """Return the heaviest blocking category of a blocked message, else the heaviest of those who get it."""
    return max(_named(outcome) for outcome in concerned(outcomes, answer))


def _kept(outcomes: Sequence[Outcome], answer: Destiny, removed: frozenset[str]) -> Keep | None:
    """Return the copy that must be kept (D13), for whom, and under which category."""
    wanting = [outcome for outcome in outcomes if _wants_copy(outcome, answer, removed)]
    if not wanting:
        return None
    folders = sorted({_folder(outcome) for outcome in wanting})
    if len(folders) == 1:
        return _copy_for(wanting, folders[0])
    parts = tuple(_copy_for([each for each in wanting if _folder(each) == folder], folder) for folder in folders)
    return replace(_copy_for(wanting, folders[0]), parts=parts)


def _copy_for(outcomes: Sequence[Outcome], folder: str) -> Keep:
    return Keep(
        category=max(_named(outcome) for outcome in outcomes),
        recipients=tuple(dict.fromkeys(outcome.address for outcome in outcomes)),
        folder=folder,
    )


def _folder(outcome: Outcome) -> str:
    """Return where a recipient's copy is kept; empty for the quarantine's root."""
    said = said_of(outcome.policy.quarantine_to, (_named(outcome),))
    return said if said and said != ROOT else ""


def _named(outcome: Outcome) -> Category:
    """Return the category that an outcome is told by."""
    return outcome.category if outcome.blocking is None else outcome.blocking


def _wants_copy(outcome: Outcome, answer: Destiny, removed: frozenset[str]) -> bool:
    policy, category = outcome.policy, _named(outcome)
    if answer is Destiny.TEMPFAIL:
        return False
    if answer is Destiny.DISCARD or outcome.address in removed:
        # What blocks this recipient himself may be thrown away; one who only shares the others' fate always keeps his.
        return outcome.blocking not in policy.discard_without_copy
    # From here on the copy is not the only one: the client has the message, or the recipient.
    folder = said_of(policy.quarantine_to, (category,))
    if folder == "" or _is_cut_off(outcome, category):
        return False
    return bool(folder) or category in (policy.store_on_reject if answer is Destiny.REJECT else policy.store_on_pass)


def _is_cut_off(outcome: Outcome, category: Category) -> bool:
    """Whether nobody will ever ask for a copy (amavis: quarantine cutoff; a denied sender is always over it)."""
    level = outcome.policy.spam_quarantine_cutoff_level
    if level is None or category not in _SPAM_CATEGORIES:
        return False
    return outcome.listing is Listing.DENIED or reaches(outcome.score, level)
