# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed messages that nobody here wrote: the example of RFC 8463, and dkimpy's own."""

import pytest

from tests.data import dkimpy_sample
from tests.dkim.build import checked

FOOTBALL = {
    # RFC 8463, appendix A.2
    "brisbane._domainkey.football.example.com": b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test._domainkey.football.example.com": dkimpy_sample("test.txt"),
}
EXAMPLE = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
    b" Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
    b" date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
    b" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
    b" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
    b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
)


def test_the_example_of_rfc_8463_holds() -> None:
    """Both signatures, the one with Ed25519 and the one with RSA."""
    assert [(each.result, each.reason) for each in checked(EXAMPLE, FOOTBALL)] == [("pass", ""), ("pass", "")]


def test_the_example_changed_does_not() -> None:
    """By one letter of the body, or of a field that is signed."""
    assert {each.reason for each in checked(EXAMPLE.replace(b"hungry", b"angry!"), FOOTBALL)} == {"body has changed"}
    changed = checked(EXAMPLE.replace(b"Is dinner", b"Is supper"), FOOTBALL)
    assert {each.reason for each in changed} == {"signature does not match"}


@pytest.mark.parametrize("name", ["rfc6376.signed.msg", "rfc6376.signed.rsa.msg"])
def test_samples_of_dkimpy_hold(name: str) -> None:
    """Each signature of each."""
    results = checked(dkimpy_sample(name), FOOTBALL)
    assert results
    assert {each.result for each in results} == {"pass"}


def test_a_sample_that_was_changed_after_it_was_signed() -> None:
    """By its makers, on purpose: it has no t=, and an x= beyond all times."""
    (result,) = checked(dkimpy_sample("rfc6376.signed.no_t.msg"), FOOTBALL)
    assert (result.result, result.reason) == ("fail", "signature does not match")


def test_a_domain_with_a_comment_is_none() -> None:
    """A comment in d= must not lead to somebody else's key."""
    (result,) = checked(dkimpy_sample("test.message.baddomain"), {"test._domainkey.legitimate.com": b"v=DKIM1; p="})
    assert (result.result, result.reason) == ("permerror", "d= is no domain")
