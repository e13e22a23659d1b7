# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields a relay would have written, for the scanners' eyes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from milterguard.core.envelope import Client
from milterguard.core.trace import relay_fields
from tests.core.build import CLIENT, envelope, message

START = b"Return-Path: <sender@sender.example>\r\n"


def test_the_relay_fields_tell_who_sent_it_and_how() -> None:
    """Return-Path and Received, as our MTA is about to write them."""
    assert relay_fields(message()) == (
        START + b"Received: from mx.sender.example (mx.sender.example [192.0.2.7])\r\n"
        b"\tby mail.example.com (milterguard) with ESMTP id 4QUEUEID;\r\n"
        b"\tFri, 15 Jan 2027 08:00:00 +0000\r\n"
    )


def test_tls_authentication_and_ipv6_show() -> None:
    """ESMTPSA and the IPv6 literal (RFC 3848, RFC 5321 section 4.1.3)."""
    client = replace(CLIENT, address="2001:db8::1", name="[2001:db8::1]", login="user", tls="TLSv1.3")
    seen = relay_fields(replace(message(), envelope=envelope(client=client)))
    assert b"([IPv6:2001:db8::1])" in seen
    assert b" with ESMTPSA id " in seen


def test_an_address_as_name_is_not_said_twice() -> None:
    """Postfix names a client without a name by its address."""
    client = replace(CLIENT, name="[192.0.2.7]")
    assert b" ([192.0.2.7])\r\n" in relay_fields(replace(message(), envelope=envelope(client=client)))


def test_mail_that_did_not_come_by_smtp_has_a_received_field_too() -> None:
    """Without one clamd would not see that it is mail."""
    local = replace(envelope(client=Client()), queue_id="", mta="")
    seen = relay_fields(replace(message(), envelope=local))
    assert b"Received: from localhost (unknown [127.0.0.1])\r\n\tby localhost (milterguard) with ESMTP id Abcd" in seen


@given(st.text(max_size=100), st.text(max_size=100), st.text(max_size=50))
def test_a_hostile_client_cannot_add_fields(helo: str, sender: str, name: str) -> None:
    """Whatever HELO, name and sender are: two fields, folded, ASCII."""
    hostile = replace(envelope(sender=sender, client=replace(CLIENT, helo=helo, name=name)), queue_id=name)
    lines = relay_fields(replace(message(), envelope=hostile)).split(b"\r\n")
    assert len(lines) == 5
    assert [line[:8] for line in lines[:2]] == [b"Return-P", b"Received"]
    assert all(line[:1] == b"\t" for line in lines[2:4])
