# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that wants to look as if it came from somebody at bank.example, who asks others to reject such mail.

The attacker owns evil.example: his SPF passes, his signatures hold. Sources: RFC 8601 section 5, RFC 8617 section 9,
what was found about OpenDMARC and OpenDKIM (CVE-2019-16378, 2019-20790, 2020-12272, 2021-34555, 2022-48521).
"""

from collections.abc import Sequence
from dataclasses import dataclass

VICTIM, EVIL = "bank.example", "evil.example"
OURS = "mx.example.com"
"""Our name in Authentication-Results."""


@dataclass(frozen=True, slots=True)
class Spoof:
    """One message of the attacker's."""

    name: str
    fields: Sequence[str]
    """In their order; signed by evil.example, From first of all."""
    helo: str = "mx.evil.example"
    sender: str = "a@evil.example"
    signs: bool = True
    """Whether evil.example signs it."""


def _from(value: str) -> Spoof:
    return Spoof(f"From: {value}"[:60], (f"From: {value}",))


def _results(value: str) -> Spoof:
    return Spoof(f"A-R {value!r}"[:70], (f"From: ceo@{VICTIM}", f"Authentication-Results:{value}"))


PASS = f"dmarc=pass header.from={VICTIM}"
AUTHORS = (
    _from(f"ceo@{VICTIM}"),
    _from(f"ceo@{VICTIM}, a@{EVIL}"),
    _from(f"a@{EVIL}, ceo@{VICTIM}"),
    _from(f"<ceo@{VICTIM}> <a@{EVIL}>"),
    _from(f"ceo@{VICTIM} <a@{EVIL}>, ceo@{VICTIM}"),
    _from(f"Group: ceo@{VICTIM}, a@{EVIL};"),
    _from(f"<@{EVIL}:ceo@{VICTIM}>"),
    _from(f"<ceo@{VICTIM}@{EVIL}>"),
    _from(f"ceo@{VICTIM}(a@{EVIL})"),
    _from(f"(a@{EVIL}) ceo@{VICTIM}"),
    _from(f"ceo@{VICTIM}\r\n <a@{EVIL}>\r\n , ceo@{VICTIM}"),
    _from(f"ceo@{VICTIM.upper()}"),
    _from(f"ceo@{VICTIM}."),
    _from(f'"a@{EVIL}>"@{VICTIM}'),
    _from(f'"x <a@{EVIL}>"@{VICTIM}'),
    _from(f'"CEO" <"ceo <a@{EVIL}>"@{VICTIM}>'),
    _from(f'CEO <"a@{EVIL},"@{VICTIM}>'),
    _from(f'CEO <"a@{EVIL}:"@{VICTIM}>'),
    _from(f'"@x:"@{VICTIM}'),
    _from(f'"ceo@{VICTIM} <a@{EVIL}>'),
    _from(f"ceo@{VICTIM} <a@{EVIL}>"),
    _from(f'"ceo@{VICTIM}", a@{EVIL}'),
    _from(f'<"ceo@{VICTIM}">, a@{EVIL}'),
    _from(f'"ceo@{VICTIM}" <>, a@{EVIL}'),
    _from(f'"ceo@"{VICTIM}, a@{EVIL}'),
    _from(f'ceo"@{VICTIM}", a@{EVIL}'),
    _from(f"(ceo@{VICTIM}), a@{EVIL}"),
    _from(f"=?utf-8?Q?ceo=40{VICTIM}=2C?= a@{EVIL}"),
    _from(f"=?utf-8?Q?=3Cceo=40{VICTIM}=3E?=, <a@{EVIL}>"),
    _from(f"x@{EVIL}@{VICTIM}@{EVIL}"),
    _from(f'"ceo@{VICTIM}"'),
    _from(f"=?utf-8?Q?ceo=40{VICTIM}?="),
    _from(f"<a@{EVIL}> ceo@{VICTIM}"),
    _from(f"ceo@bank\u200b.example, a@{EVIL}"),
    Spoof("two From fields, the victim's above", (f"From: ceo@{VICTIM}", f"From: a@{EVIL}")),
    Spoof("two From fields, the victim's below", (f"From: a@{EVIL}", f"From: ceo@{VICTIM}")),
    Spoof("From with a blank before its colon", (f"From : ceo@{VICTIM}", f"From: a@{EVIL}")),
    Spoof("a name that says an address", (f'From: "ceo@{VICTIM}" <ceo@{VICTIM}>',)),
)
RESULTS = (
    _results(f" {OURS}; {PASS}"),
    _results(f" {OURS.upper()}; {PASS}"),
    _results(f" {PASS}"),
    _results(f" ; {PASS}"),
    _results(f" =?utf-8?Q?{OURS.replace('.', '=2E')}?=; {PASS}"),
    _results(f"{OURS};{PASS}"),
    _results(f" (hi) {OURS} (there); {PASS}"),
    _results(f" {OURS} 1; {PASS}"),
    _results(f" {OURS}/1; {PASS}"),
    _results(f'  "{OURS}"; {PASS}'),
    _results(f"\r\n\t{OURS};\r\n\t{PASS}"),
    _results(f" {OURS}.; {PASS}"),
    _results(f" (unclosed {OURS}; {PASS}"),
    _results(f' "mx.example\\.com"; {PASS}'),
    _results(f" {OURS}"),
    Spoof(
        "many of them",
        (
            f"From: ceo@{VICTIM}",
            *([f"Authentication-Results: {OURS}; {PASS}"] * 4),
            f"AUTHENTICATION-RESULTS: {OURS}; {PASS}",
        ),
    ),
    Spoof("Received-SPF", (f"From: ceo@{VICTIM}", f"Received-SPF: pass receiver={OURS}; identity=mailfrom")),
)
CLIENT = (
    Spoof("HELO with a result", (f"From: ceo@{VICTIM}",), helo=f"a;{PASS.replace(' ', ';')}"),
    Spoof("HELO of the victim", (f"From: ceo@{VICTIM}",), helo=f"mx.{VICTIM}"),
    Spoof("HELO with quotes", (f"From: ceo@{VICTIM}",), helo='x";dmarc=pass;"'),
    Spoof("a sender with a result", (f"From: ceo@{VICTIM}",), sender=f'"x; {PASS};"@{EVIL}'),
    Spoof("a sender of the victim", (f"From: ceo@{VICTIM}",), sender=f"ceo@{VICTIM}"),
    Spoof("the null sender", (f"From: ceo@{VICTIM}",), sender="", helo="mx.evil.example"),
    Spoof("nothing signed", (f"From: ceo@{VICTIM}",), signs=False),
)
ARC = (
    Spoof(
        "an ARC-Authentication-Results alone",
        (f"From: ceo@{VICTIM}", f"ARC-Authentication-Results: i=1; {OURS}; {PASS}"),
    ),
    Spoof(
        "a set of nobody's",
        (
            f"From: ceo@{VICTIM}",
            f"ARC-Authentication-Results: i=1; {OURS}; {PASS}; arc=none",
            "ARC-Message-Signature: i=1; a=rsa-sha256; d=example.com; s=rsa; h=from; bh=AAAA; b=AAAA",
            "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.com; s=rsa; b=AAAA",
        ),
    ),
)
SPOOFS = (*AUTHORS, *RESULTS, *CLIENT, *ARC)
