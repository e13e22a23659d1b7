# SPDX-License-Identifier: GPL-3.0-or-later
"""A broken header section is told kind by kind, the gravest first."""

from dataclasses import fields as attributes
from dataclasses import replace
from typing import Any

import pytest

from milterguard.checks.bad_header import BadHeaderCheck
from milterguard.checks.base import PartCheck
from milterguard.config.settings import BadHeader
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Field
from milterguard.core.part import Flag, Problem
from milterguard.unpack.opened import Opened
from tests.core.build import judged, message
from tests.data import mails

OPENED = Opened()
BROKEN = (
    Field(b"From", b" a@x.example"),
    Field(b"From", b" b@y.example"),
    Field(b"a b", b" x"),
    Field(b"X-Fold", b" x\n "),
    Field(b"X-Long", b" " + b"x" * 999),
    Field(b"X-Control", b" \0"),
    Field(b"Subject", b" H\xe4"),
)
UNTIDY = Opened(problems=(Problem(None, "no end of the multipart"), Problem(Flag.AMBIGUOUS, "two boundaries")))
SWITCHES = {
    "many_from": "many from",
    "duplicate": "duplicate",
    "missing": "missing",
    "syntax": "syntax",
    "long": "long",
    "blank_fold": "blank fold",
    "control": "control",
    "non_ascii": "8bit",
    "mime": "mime",
}


def found(*header: Field, settings: BadHeader | None = None, opened: Opened = OPENED) -> tuple[Finding, ...]:
    check: PartCheck = BadHeaderCheck(settings or BadHeader())
    return check.judge(replace(message(), fields=header), (judged(),), opened)


def test_a_message_in_order_has_no_finding() -> None:
    """The check has nothing to say."""
    assert found(Field(b"Date", b" x"), Field(b"From", b" a@x.example")) == ()


def test_each_minor_is_one_finding_the_highest_code_first() -> None:
    """In amavis' order, ours before all."""
    findings = found(*BROKEN, opened=UNTIDY)
    assert [each.minor for each in findings] == list(SWITCHES.values())
    assert {(each.check, each.category) for each in findings} == {("bad_header", Category.BAD_HEADER)}
    details = {each.minor: each.detail for each in findings}
    assert details["missing"] == "no Date"
    assert details["8bit"] == r"character E4 in Subject: H\x{E4}"
    assert details["mime"] == "no end of the multipart; two boundaries"


@pytest.mark.parametrize(("switch", "minor"), SWITCHES.items())
def test_each_test_can_be_switched_off(switch: str, minor: str) -> None:
    """By the setting of its name; where a test was first, the next one may find the field."""
    changes: dict[str, Any] = {switch: False}
    settings = replace(BadHeader(), **changes)
    assert minor not in {each.minor for each in found(*BROKEN, settings=settings, opened=UNTIDY)}


def test_there_is_a_switch_for_everything() -> None:
    """No setting that this test does not know."""
    assert {each.name for each in attributes(BadHeader)} - set(SWITCHES) == {"enabled", "utf8", "on_failure"}


def test_utf8_is_a_fault_only_where_the_operator_says_so() -> None:
    """Mail with SMTPUTF8 is allowed to have it."""
    header = (Field(b"Date", b" x"), Field(b"From", " Jürgen <a@x.example>".encode()))
    assert found(*header) == ()
    assert [each.minor for each in found(*header, settings=BadHeader(utf8=True))] == ["8bit"]


def test_a_limit_of_ours_is_not_the_fault_of_the_message() -> None:
    """Over limits is UNCHECKED, elsewhere."""
    limit = Opened(problems=(Problem(Flag.OVER_LIMITS, "too deep"),))
    assert found(Field(b"Date", b" x"), Field(b"From", b" a@x.example"), opened=limit) == ()


def test_few_examples_are_told() -> None:
    """Each problem once, three at most."""
    many = Opened(problems=tuple(Problem(None, f"problem {number}") for number in (1, 1, 2, 3, 4, 5)))
    (finding,) = found(Field(b"Date", b" x"), Field(b"From", b" a@x.example"), opened=many)
    assert finding.detail == "problem 1; problem 2; problem 3; and more"


def test_real_mail_is_hardly_ever_complained_of() -> None:
    """Of the ham at most one message in two hundred, and never for its From."""
    count = 0
    complained: list[Finding] = []
    for _, octets in mails("ham"):
        count += 1
        complained += found(*_fields(octets))
    assert count > 2000
    assert len(complained) < count / 200
    assert {each.minor for each in complained} <= {"8bit", "control"}


def _fields(octets: bytes) -> tuple[Field, ...]:
    """Return the header section as an MTA shows it."""
    parsed: list[Field] = []
    for line in octets.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and parsed:
            parsed[-1] = Field(parsed[-1].name, parsed[-1].value + b"\n" + line)
        else:
            name, _, value = line.partition(b":")
            parsed.append(Field(name, value))
    return tuple(parsed)
