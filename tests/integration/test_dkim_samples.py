# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed messages that nobody here wrote, through a real Postfix: the example of RFC 8463, and those of dkimpy."""

from collections.abc import Iterator
from typing import Any

import pytest

import dkim
from tests.daemons import Postfix, Sink, private_folder
from tests.data import dkimpy_sample
from tests.dkim.test_samples import EXAMPLE, FOOTBALL
from tests.integration.authentic import Post, posting

GMAIL = (
    "k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1Kd87/UeJjenpabgbFwheBCsSTrqmwIYYvywlbhbqoo2DymndFkbjOVIPIl"
    "dNs/m40KF+yzMn1skyoxcTUGCQs8g3FgD2Ap3ZB5DekAo5wMmk4wimDO+U8QzI3SD07y2+07wlNWwIt8svnxgdxGkVbbhzY8i+RQ9DpSVpPbF7ykQ"
    "xtKXkv/ahW3KjViiAH+ghvvIhkx4xYSIc9oSwVmAl5OctMEeWUwg8Istjqz8BZeTWbf41fbNhte7Y+YqZOwq1Sd0DbvYAD9NOZK9vlfuac0598HY+"
    "vtSBczUiKERHv1yRbcaQtZFh5wtiRrN04BLUTD21MycBX5jYchHjPY/wIDAQAB"
).replace("FwheBCs", "Fwh+eBCs")
RECORDS = {
    **{name: record.decode() for name, record in FOOTBALL.items()},
    "20120113._domainkey.gmail.com": GMAIL,
    "sed._domainkey.test.ex": dkimpy_sample("eximtest.dns").decode().strip(),
}
ZONE: dict[str, list[Any]] = {name: [{"TXT": record}] for name, record in RECORDS.items()}
NAMES = ("rfc6376.signed.msg", "rfc6376.signed.rsa.msg", "rfc6376.signed.no_t.msg", "ed25519test2.msg", "test2.message")


@pytest.fixture(scope="module")
def post(shared_postfix: Postfix, shared_sink: Sink, milter_socket: str) -> Iterator[Post]:
    with private_folder() as folder, posting(folder, shared_postfix, shared_sink, milter_socket, zone=ZONE) as post:
        yield post


def test_the_example_of_rfc_8463(post: Post) -> None:
    """Both of its signatures."""
    told = post.send(EXAMPLE)
    assert told.result("dkim", header_a="ed25519-sha256") == told.result("dkim", header_a="rsa-sha256") == "pass"


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_of_dkimpy(name: str, post: Post) -> None:
    """What holds for dkimpy holds for us, and nothing else."""
    octets = dkimpy_sample(name)
    verifier = dkim.DKIM(octets)
    theirs = bool(verifier.verify(dnsfunc=lambda each, timeout=5: RECORDS[each.decode().rstrip(".")].encode()))
    told = post.send(octets)
    ours = [each.result for each in told.results if each.method == "dkim"]
    assert (ours[0] == "pass") == theirs, told.value


def test_enough_of_them_hold(post: Post) -> None:
    """The comparison above does not hold for want of valid signatures."""
    results = [post.send(dkimpy_sample(name)).result("dkim") for name in NAMES]
    assert results.count("pass") >= 4, results
