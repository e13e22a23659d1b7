# SPDX-License-Identifier: GPL-3.0-or-later
"""No ordinary mail with EICAR in it gets through, whatever its header section looks like (D4)."""

from tests.daemons import Clamd, Postfix, Sink, Smtp
from tests.integration.conftest import Serve
from tests.integration.eicar import variants


def test_no_variant_gets_through(serve: Serve, postfix: Postfix, clamd: Clamd, sink: Sink) -> None:
    """Of 180 variants through real Postfix and clamd, 0 are missed."""
    serve(clamd=clamd.socket)
    missed, count = [], 0
    with Smtp(postfix.port) as smtp:
        smtp.ehlo()
        for name, octets in variants():
            count += 1
            reply = smtp.send(octets, sender="sender@sender.example", recipients=["user@example.com"]).last
            if reply.code != 554 or "INFECTED" not in str(reply):
                missed.append(f"{name}: {reply}")
    assert count == 180
    assert missed == []
    assert sink.messages == ()


def test_the_matrix_is_worth_its_name(clamd: Clamd) -> None:
    """Without the fields that a relay writes clamd finds fewer: the test above can fail."""
    answers = [clamd.scan(octets) for _, octets in variants()]
    assert sum(answer == "stream: OK" for answer in answers) > 30
    assert sum(answer.endswith("FOUND") for answer in answers) > 30
