# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an accepted message goes: additions before removals, nothing twice, nobody lost."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.by_category import by_category
from milterguard.core.decide import decide
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.envelope import Recipient, Traffic
from milterguard.core.finding import Category, Finding
from milterguard.core.policy import Policy
from milterguard.core.recipients import Routing, extended, is_extension, parameters_of, routing, xtext
from milterguard.core.verdict import AddRecipient, Edit, Judged, RemoveRecipient
from tests.core.build import CLEAN, VIRUS, judged, points

A, B, C = "a@example.com", "b@example.com", "c@example.com"


def to(address: str, *parameters: str, is_local: bool = True, **settings: Any) -> Judged:
    policy = Policy(spam_kill_level=None, **settings)
    return Judged(Recipient(address, is_local=is_local, parameters=parameters), policy)


def sent_to(address: str) -> dict[str, Any]:
    return {"addr_rewrite": by_category([(Category.CLEAN, address)])}


def route(
    *recipients: Judged,
    findings: tuple[Finding, ...] = (CLEAN,),
    traffic: Traffic = Traffic.INBOUND,
    delimiter: str = "+",
) -> Routing:
    return routing(decide(findings, recipients, mixed=Mixed.REMOVE), traffic=traffic, delimiter=delimiter)


def envelope_after(routed: Routing, *recipients: Judged) -> set[str]:
    """Return whom the MTA has in the end; adding one who is there, or removing one who was added, is a fault."""
    present = {each.recipient.address for each in recipients}
    before = {address.lower() for address in present}
    for edit in routed.edits:
        if isinstance(edit, AddRecipient):
            assert edit.address.lower() not in before
            present.add(edit.address)
        else:
            assert isinstance(edit, RemoveRecipient)
            assert edit.address.lower() in before
            present.remove(edit.address)
    return present


SPAM: dict[str, Any] = {"addr_extension": by_category([(Category.SPAM, "spam"), (Category.BAD_HEADER, "badh")])}


def test_an_extension_replaces_the_recipient_and_keeps_whom_to_tell() -> None:
    """ORCPT is what the MTA would have made of him, NOTIFY as given; the addition comes first."""
    routed = route(to("user@example.com", "NOTIFY=success,failure", **SPAM), findings=(CLEAN, points(7.0)))
    assert routed.edits == (
        AddRecipient("user+spam@example.com", ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;user@example.com")),
        RemoveRecipient("user@example.com"),
    )
    assert routed.moved == (("user@example.com", "user+spam@example.com"),)


def test_spammy_mail_has_the_extension_of_spam_unless_it_has_its_own() -> None:
    """One table for both, as amavis has it; without either the next lighter category decides."""
    broken = Finding("bad_header", Category.BAD_HEADER, "long")
    own: dict[str, Any] = {"addr_extension": by_category([(Category.SPAM, "spam"), (Category.SPAMMY, "maybe")])}
    for settings, score, address in (
        (SPAM, 7.0, "a+spam@example.com"),
        (own, 7.0, "a+maybe@example.com"),
        (SPAM, 0.0, "a+badh@example.com"),
    ):
        routed = route(to(A, **settings), findings=(broken, points(score)))
        assert routed.moved == ((A, address),)
    silent: dict[str, Any] = {"addr_extension": by_category([(Category.SPAM, ""), (Category.BAD_HEADER, "badh")])}
    assert route(to(A, **silent), findings=(broken, points(7.0))) == Routing()


@pytest.mark.parametrize(
    ("address", "delimiter", "result"),
    [
        ("user@example.com", "+", "user+spam@example.com"),
        ("user+old@example.com", "+", "user+spam@example.com"),
        ("user-old+older@example.com", "+-", "user+spam@example.com"),
        ("user@example.com", "-+", "user-spam@example.com"),
        ("grün@example.com", "+", "grün+spam@example.com"),
        ("Postmaster@example.com", "+", None),
        ("MAILER-DAEMON@example.com", "+", None),
        ("owner-list@example.com", "-", None),
        ("list-request@example.com", "+-", None),
        ("list-request@example.com", "+", "list-request+spam@example.com"),
        ("+odd@example.com", "+", None),
        ('"odd name"@example.com', "+", None),
        ("user%host@example.com", "+", None),
        ("host!user@example.com", "+", None),
        ("SRS0=xyz=AB=sender.example=me@example.com", "+", None),
        ("prvs=123=user@example.com", "+", None),
        ("user", "+", None),
        ("user@example.com", "", None),
        ("x" * 60 + "@example.com", "+", None),
    ],
)
def test_who_gets_an_extension(address: str, delimiter: str, result: str | None) -> None:
    """Names that an MTA splits again; everything else stays as it is."""
    assert extended(address, "spam", delimiter) == (result or address)


def test_a_delimiter_before_the_extension_is_no_second_one() -> None:
    """amavis' users write it either way; what is no extension is none."""
    assert extended(A, "+spam", "+") == "a+spam@example.com"
    for wrong in ("+", "", "a b", "a@b", "a\r\nb", "a..b", "a.", "x" * 65, "a%b"):
        assert extended(A, wrong, "+") == A
    assert is_extension("Junk/Spam")


def test_only_our_own_recipients_have_extensions_and_anybody_may_be_rewritten() -> None:
    """A foreign MTA has its own ideas of extensions."""
    table: dict[str, Any] = {"addr_extension": by_category([(Category.CLEAN, "x")])}
    assert route(to(A, is_local=False, **table)) == Routing()
    assert route(to(A, is_local=False, **sent_to(B))).moved == ((A, B),)


def test_rewriting_comes_after_the_extension() -> None:
    """It replaces the recipient as a whole."""
    both: dict[str, Any] = {"addr_extension": by_category([(Category.CLEAN, "x")]), **sent_to(C)}
    assert route(to(A, **both)).moved == ((A, C),)


def test_two_recipients_behind_one_address_are_one() -> None:
    """In whatever case it is written; who wants to hear of a failure is named."""
    for order in permutations((to(A, "NOTIFY=NEVER", **sent_to(C)), to(B, **sent_to("C@Example.com")))):
        assert route(*order).edits == (
            AddRecipient("C@Example.com", ("ORCPT=rfc822;b@example.com",)),
            RemoveRecipient(A),
            RemoveRecipient(B),
        )


def test_a_swap_is_nothing_to_be_done() -> None:
    """Both have the message: Postfix would remove what was added with those that were there."""
    routed = route(to(A, **sent_to(B)), to(B, **sent_to(A)))
    assert routed.edits == ()
    assert routed.moved == ((A, B), (B, A))


def test_a_chain_of_addresses_comes_out_right() -> None:
    """a goes to b, who goes to c: b stays, c comes, a goes."""
    recipients = to(A, **sent_to(B)), to(B, **sent_to(C))
    assert envelope_after(route(*recipients), *recipients) == {B, C}


def test_an_address_that_was_blocked_stays_when_another_ones_mail_goes_there() -> None:
    """His own copy is kept; what is meant for the other one is delivered."""
    blocked = to(B, virus_destiny=Destiny.REJECT)
    lover = to(A, virus_lover=True, **sent_to(B))
    routed = route(blocked, lover, findings=(VIRUS,))
    assert routed.edits == (RemoveRecipient(A),)
    assert envelope_after(routed, blocked, lover) == {B}


def test_a_blind_copy_is_added_once_and_tells_nobody() -> None:
    """Not to somebody who has the message anyway, not to one who was only asked for by a removed recipient."""
    table: dict[str, Any] = {"always_bcc": by_category([(Category.CLEAN, "Log@example.com")])}
    routed = route(to(A, **table), to(B, is_local=False, **table))
    assert routed.edits == (AddRecipient("Log@example.com", ("NOTIFY=NEVER",)),)
    assert routed.bcc == ("Log@example.com",)
    assert route(to(A, **table), to("log@example.com")) == Routing()
    assert route(to(A, **table), to(B, **sent_to("LOG@example.com"))).bcc == ()
    removed = to(A, always_bcc=by_category([(Category.VIRUS, "log@example.com")]))
    assert route(removed, to(B, virus_lover=True), findings=(VIRUS,)).edits == (RemoveRecipient(A),)


def test_mail_that_did_not_come_by_smtp_keeps_its_recipients() -> None:
    """Postfix ignores the removal of what it has completed: both addresses would get it."""
    table: dict[str, Any] = {"always_bcc": by_category([(Category.CLEAN, "log@example.com")]), **sent_to(C), **SPAM}
    routed = route(to(A, **table), traffic=Traffic.LOCAL)
    assert routed.edits == (AddRecipient("log@example.com", ("NOTIFY=NEVER",)),)
    assert routed.moved == ()


def test_a_refused_message_goes_nowhere() -> None:
    """No edits unless the answer is PASS."""
    table: dict[str, Any] = {"always_bcc": by_category([(Category.VIRUS, "log@example.com")])}
    assert route(to(A, **table), findings=(VIRUS,)) == Routing()


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        (("NOTIFY=NEVER", "ORCPT=rfc822;x+2By@there.example"), ("NOTIFY=NEVER", "ORCPT=rfc822;x+2By@there.example")),
        (("orcpt=utf-8;gr\\x{FC}n@x.example",), ("orcpt=utf-8;gr\\x{FC}n@x.example",)),
        (("NOTIFY=NEVER,SUCCESS", "ORCPT=nonsense"), ("ORCPT=rfc822;a@example.com",)),
        (("NOTIFY=NEVER\r\nX", "ORCPT=rfc822;a b", "XFOO=1"), ("ORCPT=rfc822;a@example.com",)),
        (("ORCPT=rfc822;" + "a" * 600, "NOTIFY=DELAY"), ("NOTIFY=DELAY", "ORCPT=rfc822;a@example.com")),
    ],
)
def test_only_well_formed_parameters_are_passed_on(given: tuple[str, ...], passed_on: tuple[str, ...]) -> None:
    """What a client writes behind an address reaches the MTA in the form of RFC 3461, or not at all."""
    assert parameters_of(Recipient(A, parameters=given)) == passed_on


def test_xtext_hides_what_is_not_plain() -> None:
    """RFC 3461 section 4; octets of UTF-8 one by one, as Postfix writes them itself."""
    assert xtext('"a b"+=grün') == '"a+20b"+2B+3Dgr+C3+BCn'


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_parameter_breaks_out(address: str, parameter: str) -> None:
    """Printable ASCII without blanks, whatever address and parameters are."""
    for each in parameters_of(Recipient(address, parameters=(parameter, f"ORCPT={parameter}", f"NOTIFY={parameter}"))):
        assert all("!" <= character <= "~" for character in each)


_ADDRESSES = ("a@example.com", "A@example.com", "b@example.com", "b+spam@example.com", "c@example.com", "d@example.com")
_TABLES = st.lists(
    st.tuples(st.sampled_from([Category.CLEAN, Category.SPAM, Category.VIRUS]), st.sampled_from(_ADDRESSES)), max_size=2
).map(by_category)
_JUDGED = st.builds(
    lambda address, notify, rewrite, bcc, extension, loves, is_local: to(
        address,
        *notify,
        is_local=is_local,
        addr_rewrite=rewrite,
        always_bcc=bcc,
        addr_extension=by_category([(Category.CLEAN, "spam")]) if extension else (),
        virus_lover=loves,
    ),
    st.sampled_from(_ADDRESSES),
    st.sampled_from([(), ("NOTIFY=NEVER",), ("NOTIFY=FAILURE",)]),
    _TABLES,
    _TABLES,
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(_JUDGED, min_size=1, max_size=4), st.sampled_from([(CLEAN,), (VIRUS,), (points(7.0), CLEAN)]))
def test_everybody_who_shall_get_it_does_and_nobody_else(
    recipients: list[Judged], findings: tuple[Finding, ...]
) -> None:
    """The envelope is what the policies say, never empty, and the edits are the same in any order."""
    routed = route(*recipients, findings=findings)
    decision = decide(findings, recipients, mixed=Mixed.REMOVE)
    after = {address.lower() for address in envelope_after(routed, *recipients)}
    if decision.answer is Destiny.PASS:
        moved = dict(routed.moved)
        accepted = {each.address for each in decision.outcomes} - {*decision.removed}
        assert {moved.get(address, address).lower() for address in accepted if address not in moved} <= after
        assert {goal.lower() for _, goal in routed.moved} | {each.lower() for each in routed.bcc} <= after
        assert after
    for order in permutations(recipients):
        assert route(*order, findings=findings) == routed


def test_the_edits_are_edits() -> None:
    """Additions all stand before removals: a milter that dies between them loses nobody."""
    edits: tuple[Edit, ...] = route(to(A, **sent_to(C)), to(B, **sent_to("d@example.com")), judged()).edits
    assert [type(each) for each in edits] == [AddRecipient, AddRecipient, RemoveRecipient, RemoveRecipient]
