# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of one message: checks, decision, kept copy, verdict, record."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from milterguard.config.on_failure import OnFailure
from milterguard.core import token
from milterguard.core.custom import Action, FieldRule
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.envelope import Client, Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.given import Given
from milterguard.core.listed import Listed, Listing
from milterguard.core.marks import Style
from milterguard.core.message import Message
from milterguard.core.policy import Policy
from milterguard.core.proofs import Proofs
from milterguard.core.report import Record
from milterguard.core.verdict import (
    AddRecipient,
    Decision,
    InsertField,
    Judged,
    RemoveField,
    RemoveRecipient,
    Verdict,
)
from milterguard.errors import SignError, StoreError
from milterguard.guard import Guard
from milterguard.job import Rules, new_mail_id, wants_split
from milterguard.released import body_digest
from milterguard.scan import Checked, Scan
from tests.core.build import CLEAN, VIRUS, Octets, envelope, fields, judged, message, points
from tests.test_scan import Doing, Run, raises, says

KEY = b"k" * 32
DISCARDS = Policy(virus_destiny=Destiny.DISCARD)


class OnePolicy:
    """Everybody is local and wants the same."""

    def traffic(self, client: Client, sender: str = "") -> Traffic:
        return Traffic.ORIGINATING if client.is_authenticated else Traffic.INBOUND

    need_proofs = False

    def banks(self, client: Client, sender: str, traffic: Traffic, proofs: Proofs | None = None) -> tuple[str, ...]:
        return ("MYNETS",) if client.is_authenticated else ()

    def with_authors(
        self, judged: Sequence[Judged], *, sender: str, authors: Sequence[str], banks: tuple[str, ...] = ()
    ) -> tuple[Judged, ...]:
        return tuple(judged)

    def judged(
        self,
        address: str,
        *,
        parameters: tuple[str, ...],
        traffic: Traffic,
        banks: tuple[str, ...] = (),
        sender: str = "",
    ) -> Judged:
        return judged(address)


class Copies:
    """A keeper that notes what it was asked to keep, or cannot."""

    def __init__(self, *, error: StoreError | None = None) -> None:
        self.kept: list[Decision] = []
        self._error = error

    def keep(self, message: Message, decision: Decision, findings: Sequence[Finding]) -> str:
        if self._error:
            raise self._error
        self.kept.append(decision)
        return f"A/virus-{message.mail_id}"


class Records:
    """A recorder that keeps its records."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def submit(self, record: Record) -> None:
        self.records.append(record)


class Marks:
    """Use marks in memory."""

    key = KEY

    def __init__(self, *, error: StoreError | None = None) -> None:
        self._used: set[str] = set()
        self._error = error

    def use_once(self, digest: str, expires: float) -> bool:
        if self._error:
            raise self._error
        is_first = digest not in self._used
        self._used.add(digest)
        return is_first


class House:
    """A guard with doors that a test can look at."""

    def __init__(self, *checks: Run, keeper: Copies | None = None, gate: Marks | None = None, rules: Rules) -> None:
        self.keeper = keeper or Copies()
        self.records = Records()
        names = ("clamd", "spamd")
        self.scan = Scan(
            [Checked(Doing(name, run), OnFailure()) for name, run in zip(names, checks, strict=False)], threads=8
        )
        self.guard = Guard(
            OnePolicy(), self.scan, keeper=self.keeper, recorders=[self.records], rules=rules, gate=gate or Marks()
        )

    def verdict(self, seen: Message | None = None, *, to: tuple[Judged, ...] = (judged(),)) -> Verdict:
        return self.guard.finish(self.guard.begin(seen or message(), to))


MakeHouse = Callable[..., House]


@pytest.fixture
def house() -> Iterator[MakeHouse]:
    """Make guards that are closed after the test."""
    made: list[House] = []

    def make(
        *checks: Run, keeper: Copies | None = None, gate: Marks | None = None, rules: Rules | None = None
    ) -> House:
        made.append(House(*checks, keeper=keeper, gate=gate, rules=rules or Rules()))
        return made[-1]

    yield make
    for each in made:
        each.guard.close()


def test_a_clean_message_passes_with_our_fields(house: MakeHouse) -> None:
    """Scanned, decided, marked; nothing is kept."""
    home = house(says(CLEAN), says(points(1.0)))
    verdict = home.verdict()
    assert verdict.answer is Destiny.PASS
    assert verdict.reply is None
    assert InsertField("X-Virus-Scanned", "milterguard at localhost") in verdict.edits
    assert home.keeper.kept == []


def test_our_name_is_the_mtas_unless_it_is_set(house: MakeHouse) -> None:
    """[headers] hostname, else macro j."""
    rules = Rules()
    rules = replace(rules, style=replace(rules.style, hostname=""))
    verdict = house(says(CLEAN), rules=rules).verdict()
    assert InsertField("X-Virus-Scanned", "milterguard at mail.example.com") in verdict.edits


def test_an_infected_message_is_rejected_with_our_id(house: MakeHouse) -> None:
    """The reply names the virus and the mail id."""
    verdict = house(says(VIRUS), says(points(1.0))).verdict()
    assert str(verdict.reply) == "554 5.7.0 Rejected, id=Abcdefghij12 - INFECTED: Eicar-Test-Signature"


def test_a_copy_is_kept_before_the_verdict_exists(house: MakeHouse) -> None:
    """DISCARD: the verdict knows where the copy is."""
    home = house(says(VIRUS))
    verdict = home.verdict(to=(judged(policy=DISCARDS),))
    assert verdict.answer is Destiny.DISCARD
    assert verdict.quarantined_as == "A/virus-Abcdefghij12"
    assert len(home.keeper.kept) == 1


def test_a_copy_that_cannot_be_kept_makes_it_a_tempfail(house: MakeHouse) -> None:
    """Nothing is discarded that is not kept."""
    home = house(says(VIRUS), keeper=Copies(error=StoreError("disk full")))
    verdict = home.verdict(to=(judged(policy=DISCARDS),))
    assert verdict.answer is Destiny.TEMPFAIL
    assert str(verdict.reply).startswith("451 4.3.0 ")
    assert verdict.edits == ()


@pytest.mark.parametrize(("deadline_seconds", "reserve_seconds"), [(25.0, 2.0), (1.0, 0.25)])
def test_the_checks_leave_time_for_a_durable_copy(
    house: MakeHouse, deadline_seconds: float, reserve_seconds: float
) -> None:
    """Their deadline is before the message's."""
    guard = house(says(CLEAN), rules=Rules(deadline_seconds=deadline_seconds)).guard
    job = guard.begin(message(), (judged(),))
    assert job.running is not None
    assert job.deadline - job.running.budget.deadline == pytest.approx(reserve_seconds)


def test_a_failing_scanner_is_a_tempfail(house: MakeHouse) -> None:
    """clamd cannot: 451."""
    verdict = house(raises(OSError("gone"))).verdict()
    assert (verdict.answer, verdict.decision.category) == (Destiny.TEMPFAIL, Category.FAILED)
    assert str(verdict.reply).startswith("451 4.7.1 ")


def test_the_record_tells_what_was_answered(house: MakeHouse) -> None:
    """Message facts, the verdict, the exact reply."""
    home = house(says(CLEAN))
    seen = message("From: a@b.example", "Subject: hé", "Message-ID: <1@b.example>")
    job = home.guard.begin(seen, (judged(),))
    verdict = home.guard.finish(job)
    home.guard.record(job, verdict, answer=verdict.answer, reply_line="")
    (record,) = home.records.records
    assert (record.subject, record.message_id, record.from_address) == ("hé", "<1@b.example>", "a@b.example")
    assert record.size == seen.size()
    assert record.milliseconds > 0


def test_a_message_that_never_got_a_verdict_is_a_tempfail(house: MakeHouse) -> None:
    """The session's last resort."""
    home = house(says(CLEAN))
    job = home.guard.begin(message(), (judged(),))
    home.guard.abandon(job)
    verdict = home.guard.unchecked(job, "late")
    assert verdict.answer is Destiny.TEMPFAIL
    assert str(verdict.reply).startswith("451 4.7.1 ")


def test_ids_are_new_and_safe_in_names(house: MakeHouse) -> None:
    """12 characters, alphanumeric at both ends."""
    guard = house().guard
    first = guard.message(envelope(), fields("A: b"), Octets())
    assert first.mail_id != guard.message(envelope(), fields("A: b"), Octets()).mail_id
    assert abs(first.received_at - time.time()) < 60
    rejected, taken = b"\xfb" + b"\0" * 8, b"\0" * 9
    tries = iter([rejected, taken])
    assert new_mail_id(lambda _size: next(tries)) == "AAAAAAAAAAAA"


def test_traffic_and_policies_come_from_the_lookup(house: MakeHouse) -> None:
    """The guard only hands the question on."""
    guard = house().guard
    assert guard.traffic(Client(login="user")) is Traffic.ORIGINATING
    assert guard.banks(Client(login="user"), "a@b.example", Traffic.ORIGINATING) == ("MYNETS",)
    assert guard.judged("a@b.example", parameters=(), traffic=Traffic.INBOUND).recipient.address == "a@b.example"


def test_recipients_of_another_policy_are_split_only_when_asked_and_only_for_strangers() -> None:
    """mixed_recipients = "split" never defers a recipient of our own users."""
    split = Policy(mixed_recipients=Mixed.SPLIT)
    first, lover = judged(policy=split), judged("b@example.com", policy=replace(split, spam_lover=True))
    assert wants_split(first, lover, Traffic.INBOUND)
    assert wants_split(first, judged("c@other.example", policy=split, is_local=False), Traffic.INBOUND)
    assert not wants_split(first, judged("b@example.com", policy=split), Traffic.INBOUND)
    assert not wants_split(first, lover, Traffic.ORIGINATING)
    assert not wants_split(first, lover, Traffic.LOCAL)
    assert not wants_split(judged(), judged("b@example.com", policy=Policy(spam_lover=True)), Traffic.INBOUND)


# --- released mail --------------------------------------------------------------------------------


def released(*, expires: float | None = None, body: bytes = b"Hello.\r\n", to: str = "user@example.com") -> Message:
    """Return a message that carries a token for the body ``Hello.`` and one recipient."""
    bound = token.bind("sender@sender.example", ["user@example.com"], body_digest(Octets(b"Hello.\r\n")))
    claim = token.Token("Zyxwvutsrq98", int(expires or time.time() + 60), "n" * 20, bound)
    return message(f"X-Milterguard-Release: {token.issue(KEY, claim)}", "From: a@b.example", body=body, to=(to,))


def test_a_released_message_passes_once_without_a_scan(house: MakeHouse) -> None:
    """Its token is removed, what is its sender's own is not touched; the second time it is refused."""
    home = house(says(VIRUS))
    verdict = home.verdict(released())
    assert (verdict.answer, verdict.released) == (Destiny.PASS, "Zyxwvutsrq98")
    assert verdict.edits == (RemoveField("X-Milterguard-Release", 1),)
    again = home.verdict(released())
    assert str(again.reply).startswith("554 5.7.0 Release token is used, expired or of another message")
    home.guard.abandon(home.guard.begin(released(), (judged(),)))


def test_a_released_message_cannot_speak_in_our_name(house: MakeHouse) -> None:
    """Fields that its sender forged are removed as from all mail, the last copy first (D2)."""
    forged = fields("X-Spam-Flag: NO", "X-Virus-Scanned: milterguard at mail.example.com", "x-spam-flag: NO")
    verdict = house(says(VIRUS)).verdict(replace(released(), fields=(*released().fields, *forged)))
    assert verdict.released == "Zyxwvutsrq98"
    assert verdict.edits == (
        RemoveField("X-Spam-Flag", 2),
        RemoveField("X-Spam-Flag", 1),
        RemoveField("X-Virus-Scanned", 1),
        RemoveField("X-Milterguard-Release", 1),
    )


class Signs:
    """A signer that puts one field on top, or cannot."""

    def __init__(self, error: SignError | None = None) -> None:
        self._error = error

    def edits(self, given: Given) -> tuple[InsertField, ...]:
        if self._error:
            raise self._error
        return (InsertField("DKIM-Signature", f"x; edits={len(given.edits)}"),)

    def close(self) -> None:
        """Nothing to give back."""


def signing(home: House, signer: Signs, *, unsigned: OnFailure | None = None) -> House:
    """Return the house with a guard that signs."""
    rules = Rules() if unsigned is None else Rules(unsigned=unsigned)
    home.guard = Guard(
        OnePolicy(), home.scan, keeper=home.keeper, recorders=[], rules=rules, gate=Marks(), signer=signer
    )
    return home


def test_a_released_message_is_signed_over_what_goes_out(house: MakeHouse) -> None:
    """Its token is gone by then; an operator's word is not waited with where nobody can sign."""
    signed = signing(house(says(CLEAN)), Signs()).verdict(released())
    assert signed.edits == (RemoveField("X-Milterguard-Release", 1), InsertField("DKIM-Signature", "x; edits=1"))
    unsigned = signing(house(says(CLEAN)), Signs(SignError("no key"))).verdict(released())
    assert (unsigned.answer, unsigned.edits) == (Destiny.PASS, (RemoveField("X-Milterguard-Release", 1),))


@pytest.mark.parametrize("is_local", [True, False])
def test_a_seal_tells_strangers_no_login(house: MakeHouse, *, is_local: bool) -> None:
    """What is sealed is what Authentication-Results says, and to strangers it says nothing of our own mail."""
    seen: list[str] = []

    class Seals(Signs):
        def edits(self, given: Given) -> tuple[InsertField, ...]:
            seen.append(given.results)
            return ()

    login = Finding("auth", Category.CLEAN, result="pass", properties=(("smtp.auth", "joe"),))
    about = message()
    about = replace(about, envelope=replace(about.envelope, traffic=Traffic.ORIGINATING))
    verdict = signing(house(says(login)), Seals()).verdict(about, to=(judged(is_local=is_local),))
    assert verdict.answer is Destiny.PASS
    assert ["joe" in each for each in seen] == [is_local]


def test_what_cannot_be_signed_waits_or_goes_unsigned(house: MakeHouse) -> None:
    """As on_failure says, with the reason in the record; nothing was kept by then."""
    for destiny, answer in ((Destiny.TEMPFAIL, Destiny.TEMPFAIL), (Destiny.PASS, Destiny.PASS)):
        home = signing(house(says(CLEAN)), Signs(SignError("no key")), unsigned=OnFailure(destiny, destiny, destiny))
        verdict = home.verdict()
        assert verdict.answer is answer
        assert [each.detail for each in verdict.findings if each.check == "signing"] == (
            ["no key"] if destiny is Destiny.TEMPFAIL else []
        )
        assert home.keeper.kept == []


def test_a_released_message_passes_whatever_the_lists_say_of_its_sender(house: MakeHouse) -> None:
    """An operator has decided: a denied sender's mail was withheld, and now it is given back."""
    for destiny in (Destiny.REJECT, Destiny.DISCARD):
        plain = judged(policy=Policy(spam_destiny=destiny))
        denied = replace(plain, listed=Listed(Listing.DENIED))
        verdict = house(says(VIRUS)).verdict(released(), to=(denied,))
        assert (verdict.answer, verdict.released) == (Destiny.PASS, "Zyxwvutsrq98")


def test_a_released_message_is_not_kept_again(house: MakeHouse) -> None:
    """Not even where the policy archives clean mail, and the record does not say so."""
    home = house(says(VIRUS))
    archives = judged(policy=Policy(store_on_pass=(Category.CLEAN,)))
    assert home.verdict(released(), to=(archives,)).decision.keep is None
    assert home.keeper.kept == []


@pytest.mark.parametrize(
    "other", [released(expires=1.0), released(body=b"Other.\r\n"), released(to="somebody@example.com")]
)
def test_a_token_that_does_not_fit_is_refused(house: MakeHouse, other: Message) -> None:
    """Expired, another body, another recipient."""
    assert house(says(CLEAN)).verdict(other).answer is Destiny.REJECT


def test_a_forged_or_doubled_token_is_scanned_like_all_mail(house: MakeHouse) -> None:
    """A stranger's field is nothing, and goes."""
    forged = message("X-Milterguard-Release: v=1; id=Zyxwvutsrq98", "From: a@b.example")
    assert house(says(VIRUS)).verdict(forged).answer is Destiny.REJECT
    assert RemoveField("X-Milterguard-Release", 1) in house(says(CLEAN)).verdict(forged).edits
    twice = released()
    twice = replace(twice, fields=twice.fields[:1] * 2)
    assert house(says(VIRUS)).verdict(twice).decision.category is Category.VIRUS


def test_a_use_that_cannot_be_marked_is_a_tempfail(house: MakeHouse) -> None:
    """Passing it unmarked could deliver it twice."""
    home = house(says(CLEAN), gate=Marks(error=StoreError("read-only")))
    assert home.verdict(released()).answer is Destiny.TEMPFAIL


def test_without_a_gate_nothing_is_released() -> None:
    """No key, no token: the message is scanned."""
    scan = Scan([Checked(Doing("clamd", says(VIRUS)), OnFailure())], threads=2)
    guard = Guard(OnePolicy(), scan, keeper=Copies(), recorders=[], rules=Rules())
    assert guard.finish(guard.begin(released(), (judged(),))).answer is Destiny.REJECT
    guard.close()


# --- mail that we cannot hold or remove from -------------------------------------------------------


def by_sendmail(seen: Message) -> Message:
    return replace(seen, envelope=replace(seen.envelope, traffic=Traffic.LOCAL))


def test_a_check_that_all_recipients_bypass_is_not_asked(house: MakeHouse) -> None:
    """It is said to be skipped; one who wants it is enough to ask it."""
    home = house(says(CLEAN), raises(AssertionError("was asked")))
    bypasses = judged(policy=Policy(bypass_spam_checks=True))
    verdict = home.verdict(to=(bypasses,))
    assert (verdict.answer, verdict.skipped) == (Destiny.PASS, ("spamd",))
    assert home.verdict(to=(bypasses, judged("b@example.com"))).skipped == ()


def test_nobody_is_removed_from_mail_that_did_not_come_by_smtp(house: MakeHouse) -> None:
    """Postfix shows completed addresses there and would ignore the removal: all is withheld, for all of them."""
    home = house(says(VIRUS))
    lover = judged("lover@example.com", policy=Policy(virus_lover=True))
    verdict = home.verdict(by_sendmail(message()), to=(judged(policy=DISCARDS), lover))
    assert verdict.answer is Destiny.DISCARD
    (decision,) = home.keeper.kept
    assert decision.keep is not None
    assert decision.keep.recipients == ("user@example.com", "lover@example.com")


def test_a_message_full_of_forged_fields_is_refused(house: MakeHouse) -> None:
    """Removing them would keep the MTA busy for minutes."""
    home = house(says(CLEAN))
    assert home.verdict(message(*["X-Spam-Flag: NO"] * 500)).answer is Destiny.PASS
    refused = home.verdict(message(*["X-Spam-Flag: NO"] * 501))
    assert str(refused.reply) == "552 5.3.4 Rejected, id=Abcdefghij12 - OVERSIZED"


def test_fields_that_the_operator_wants_removed_count_among_them(house: MakeHouse) -> None:
    """Together with the forged ones."""
    rules = Rules(style=Style(custom=(FieldRule(Action.REMOVE, "X-Old"),)))
    home = house(says(CLEAN), rules=rules)
    assert home.verdict(message(*["X-Spam-Flag: NO", "x-old: 1"] * 250)).answer is Destiny.PASS
    assert home.verdict(message(*["X-Spam-Flag: NO", "x-old: 1"] * 251)).answer is Destiny.REJECT


def test_the_verdict_tells_where_a_message_goes(house: MakeHouse) -> None:
    """Edits of recipients come after those of fields; what did not come by SMTP keeps its recipients."""
    home = house(says(CLEAN), rules=Rules(delimiter="+"))
    policy = Policy(
        addr_extension=((Category.CLEAN, "ok"),),
        always_bcc=((Category.CLEAN, "log@example.com"),),
    )
    verdict = home.verdict(to=(judged(policy=policy),))
    assert verdict.moved == (("user@example.com", "user+ok@example.com"),)
    assert verdict.bcc == ("log@example.com",)
    assert [type(each) for each in verdict.edits[-3:]] == [AddRecipient, AddRecipient, RemoveRecipient]
    local = home.verdict(by_sendmail(message()), to=(judged(policy=policy),))
    assert local.moved == ()
    assert local.edits[-1] == AddRecipient("log@example.com", ("NOTIFY=NEVER",))


def test_a_message_over_our_limits_is_refused(house: MakeHouse) -> None:
    """552, and recorded as what it is."""
    home = house(says(CLEAN))
    job = home.guard.begin(message(), (judged(),))
    verdict = home.guard.too_long(job, "longer than max_body_bytes")
    assert (verdict.answer, verdict.decision.category) == (Destiny.REJECT, Category.OVERSIZED)
    assert str(verdict.reply) == "552 5.3.4 Message too big, id=Abcdefghij12"
    home.guard.abandon(job)


def test_local_mail_over_our_limits_passes_with_a_warning_where_unchecked_mail_may(house: MakeHouse) -> None:
    """A refusal would be a bounce to somebody; what we do not have cannot be kept either."""
    home = house(says(CLEAN))
    job = home.guard.begin(by_sendmail(message()), (judged(),))
    verdict = home.guard.too_long(job, "longer than max_body_bytes")
    assert verdict.answer is Destiny.PASS
    assert any(isinstance(edit, InsertField) and "UNCHECKED-OVER-LIMITS" in edit.value for edit in verdict.edits)
    strict = home.guard.begin(by_sendmail(message()), (judged(policy=Policy(unchecked_destiny=Destiny.DISCARD)),))
    assert home.guard.too_long(strict, "longer than max_body_bytes").answer is Destiny.REJECT
    home.guard.abandon(job)
    home.guard.abandon(strict)
