# SPDX-License-Identifier: GPL-3.0-or-later
"""DMARC as RFC 9989 has it, case by case: what is published, what is proven, what comes of it.

Every name ends with ``.tld`` or ``.xyz``; each case gets endings of its own, so all can be served at the same time.
Tree walks are those of the RFC's text; records as they are found in the wild are those of RFC 7489.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Case:
    """One message."""

    name: str
    records: Mapping[str, str | tuple[str, ...]]
    """DMARC records by domain, without ``_dmarc.``; ``TIMEOUT`` and ``SERVFAIL`` for a name server that fails."""
    result: str
    """``pass``, ``fail``, ``none``, ``temperror`` or ``permerror``."""
    author: str = "a@example.tld"
    fields: tuple[str, ...] = ()
    """From fields as they stand; empty: one with the author."""
    spf: str = ""
    """Domain of MAIL FROM; SPF passes there."""
    spf_fails: str = ""
    """Domain of MAIL FROM; SPF fails there."""
    helo: str = ""
    """Name in HELO of a message from the null sender; SPF passes there."""
    dkim: tuple[str, ...] = ()
    """Domains whose signatures hold."""
    broken_dkim: tuple[str, ...] = ()
    """Domains whose signatures do not."""
    missing: bool = False
    """The author's domain does not exist."""
    policy: str = ""
    """What the field shows of the policy."""
    code: int = 250
    zone: Mapping[str, str] = field(default_factory=dict)
    """Further TXT records."""


REJECT, QUARANTINE, NONE = "v=DMARC1; p=reject", "v=DMARC1; p=quarantine", "v=DMARC1; p=none"
EXAMPLE = "example.tld"

ALIGNMENT = (
    Case("dkim of the very domain", {EXAMPLE: REJECT}, "pass", dkim=(EXAMPLE,), policy="reject"),
    Case("spf of the very domain", {EXAMPLE: REJECT}, "pass", spf=EXAMPLE, policy="reject"),
    Case("nothing proven, reject", {EXAMPLE: REJECT}, "fail", policy="reject", code=550),
    Case("nothing proven, quarantine", {EXAMPLE: QUARANTINE}, "fail", policy="quarantine"),
    Case("nothing proven, none", {EXAMPLE: NONE}, "fail", policy="none"),
    Case("dkim of a domain below, relaxed", {EXAMPLE: REJECT}, "pass", dkim=("mail.example.tld",)),
    Case("dkim of the domain above, relaxed", {EXAMPLE: REJECT}, "pass", author="a@mail.example.tld", dkim=(EXAMPLE,)),
    Case("dkim of a sister, relaxed", {EXAMPLE: REJECT}, "pass", author="a@one.example.tld", dkim=("two.example.tld",)),
    Case("spf of a domain below, relaxed", {EXAMPLE: REJECT}, "pass", spf="bounce.example.tld"),
    Case(
        "dkim of a domain below, strict", {EXAMPLE: f"{REJECT}; adkim=s"}, "fail", dkim=("mail.example.tld",), code=550
    ),
    Case("dkim of the very domain, strict", {EXAMPLE: f"{REJECT}; adkim=s"}, "pass", dkim=(EXAMPLE,)),
    Case("spf of a domain below, strict", {EXAMPLE: f"{REJECT}; aspf=s"}, "fail", spf="bounce.example.tld", code=550),
    Case("spf strict says nothing of dkim", {EXAMPLE: f"{REJECT}; aspf=s"}, "pass", dkim=("mail.example.tld",)),
    Case("dkim of a stranger", {EXAMPLE: REJECT}, "fail", dkim=("other.xyz",), code=550),
    Case("spf of a stranger", {EXAMPLE: REJECT}, "fail", spf="other.xyz", code=550),
    Case("a stranger whose name ends alike", {EXAMPLE: REJECT}, "fail", dkim=("notexample.tld",), code=550),
    Case("a stranger beside an aligned signature", {EXAMPLE: REJECT}, "pass", dkim=("other.xyz", EXAMPLE)),
    Case("a broken signature of the domain", {EXAMPLE: REJECT}, "fail", broken_dkim=(EXAMPLE,), code=550),
    Case("broken dkim, aligned spf", {EXAMPLE: REJECT}, "pass", broken_dkim=(EXAMPLE,), spf=EXAMPLE),
    Case("spf fails, aligned dkim", {EXAMPLE: REJECT}, "pass", spf_fails=EXAMPLE, dkim=(EXAMPLE,)),
    Case("spf fails, nothing else", {EXAMPLE: REJECT}, "fail", spf_fails=EXAMPLE, code=550),
    Case("helo for the null sender", {EXAMPLE: REJECT}, "pass", helo="mx.example.tld"),
    Case("helo for the null sender, strict", {EXAMPLE: f"{REJECT}; aspf=s"}, "fail", helo="mx.example.tld", code=550),
    Case("letters of any case", {EXAMPLE: REJECT}, "pass", author="A@EXAMPLE.tld", dkim=(EXAMPLE,)),
)
DISCOVERY = (
    Case("no record anywhere", {}, "none", dkim=(EXAMPLE,)),
    Case("no record, nothing proven", {}, "none"),
    Case(
        "the record of the organization", {EXAMPLE: REJECT}, "fail", author="a@x.example.tld", policy="reject", code=550
    ),
    Case(
        "sp for domains below",
        {EXAMPLE: "v=DMARC1; p=reject; sp=none"},
        "fail",
        author="a@x.example.tld",
        policy="none",
    ),
    Case(
        "sp is not for the domain itself", {EXAMPLE: "v=DMARC1; p=reject; sp=none"}, "fail", policy="reject", code=550
    ),
    Case(
        "np for domains that do not exist",
        {EXAMPLE: "v=DMARC1; p=none; sp=none; np=reject"},
        "fail",
        author="a@nowhere.example.tld",
        missing=True,
        policy="reject",
        code=550,
    ),
    Case(
        "np is not for domains that exist",
        {EXAMPLE: "v=DMARC1; p=none; sp=none; np=reject"},
        "fail",
        author="a@here.example.tld",
        policy="none",
    ),
    Case(
        "without np, sp",
        {EXAMPLE: "v=DMARC1; p=none; sp=reject"},
        "fail",
        author="a@nowhere.example.tld",
        missing=True,
        policy="reject",
        code=550,
    ),
    Case(
        "the closer record",
        {EXAMPLE: REJECT, "mail.example.tld": NONE},
        "fail",
        author="a@mail.example.tld",
        policy="none",
    ),
    Case(
        "not one in the middle",
        {EXAMPLE: REJECT, "mail.example.tld": NONE},
        "fail",
        author="a@a.mail.example.tld",
        policy="reject",
        code=550,
    ),
    Case(
        "one in the middle with psd=n",
        {EXAMPLE: REJECT, "mail.example.tld": f"{NONE}; psd=n"},
        "fail",
        author="a@a.mail.example.tld",
        policy="none",
    ),
    Case(
        "psd=n parts a domain from the one above",
        {EXAMPLE: REJECT, "mail.example.tld": f"{REJECT}; psd=n"},
        "fail",
        author="a@mail.example.tld",
        dkim=(EXAMPLE,),
        code=550,
    ),
    Case(
        "psd=n holds what is below it together",
        {EXAMPLE: REJECT, "mail.example.tld": f"{REJECT}; psd=n"},
        "pass",
        author="a@a.mail.example.tld",
        dkim=("b.mail.example.tld",),
    ),
    Case(
        "psd=y parts its children", {"tld": f"{REJECT}; psd=y"}, "fail", dkim=("other.tld",), policy="reject", code=550
    ),
    Case("psd=y holds below a child together", {"tld": f"{REJECT}; psd=y"}, "pass", dkim=("mail.example.tld",)),
    Case(
        "psd=y and the child's own record",
        {"tld": f"{REJECT}; psd=y", EXAMPLE: NONE},
        "fail",
        policy="none",
    ),
    Case(
        "psd=y is the last resort, its np counts",
        {"tld": "v=DMARC1; p=none; sp=none; np=reject; psd=y"},
        "fail",
        missing=True,
        policy="reject",
        code=550,
    ),
    Case(
        "mail of the public suffix itself",
        {"gov.tld": f"{REJECT}; psd=y"},
        "pass",
        author="a@gov.tld",
        dkim=("gov.tld",),
    ),
    Case(
        "a public suffix speaks not for its children's mail from it",
        {"gov.tld": f"{REJECT}; psd=y"},
        "fail",
        author="a@agency.gov.tld",
        dkim=("gov.tld",),
        code=550,
    ),
    Case(
        "eight labels: the one above is never asked",
        {"b.c.d.e.f.g.example.tld": NONE, EXAMPLE: REJECT},
        "fail",
        author="a@a.b.c.d.e.f.g.example.tld",
        policy="reject",
        code=550,
    ),
    Case(
        "eight labels: seven are asked",
        {"c.d.e.f.g.example.tld": f"{NONE}; psd=n", EXAMPLE: REJECT},
        "fail",
        author="a@a.b.c.d.e.f.g.example.tld",
        policy="none",
    ),
    Case(
        "many labels, aligned by the organization",
        {EXAMPLE: REJECT},
        "pass",
        author="a@a.b.c.d.e.f.g.h.i.j.k.example.tld",
        dkim=(EXAMPLE,),
    ),
)
RECORDS = (
    Case("pct of old is ignored", {EXAMPLE: f"{REJECT}; pct=0"}, "fail", policy="reject", code=550),
    Case("rf and ri of old are ignored", {EXAMPLE: f"{REJECT}; rf=afrf; ri=86400"}, "fail", policy="reject", code=550),
    Case("an unknown tag", {EXAMPLE: f"{REJECT}; x-y=1; z"}, "fail", policy="reject", code=550),
    Case("blanks wherever they may be", {EXAMPLE: "v = DMARC1 ;\t p =  reject ;"}, "fail", policy="reject", code=550),
    Case("no blanks at all", {EXAMPLE: "v=DMARC1;p=reject;adkim=s"}, "fail", dkim=("m.example.tld",), code=550),
    Case("a value in capitals", {EXAMPLE: "v=DMARC1; p=REJECT"}, "fail", policy="reject", code=550),
    Case("v in small letters is none", {EXAMPLE: "v=dmarc1; p=reject"}, "none"),
    Case("v must come first", {EXAMPLE: "p=reject; v=DMARC1"}, "none"),
    Case("another version", {EXAMPLE: "v=DMARC2; p=reject"}, "none"),
    Case("two records are none", {EXAMPLE: (REJECT, NONE)}, "none"),
    Case("a record beside other texts", {EXAMPLE: ("google-site-verification=x", REJECT)}, "fail", code=550),
    Case("no p", {EXAMPLE: "v=DMARC1; sp=reject"}, "none"),
    Case("no p, but somebody wants reports", {EXAMPLE: "v=DMARC1; rua=mailto:d@example.tld"}, "fail", policy="none"),
    Case("a p nobody knows", {EXAMPLE: "v=DMARC1; p=discard"}, "none"),
    Case("a p nobody knows, and reports", {EXAMPLE: "v=DMARC1; p=x; rua=mailto:d@example.tld"}, "fail", policy="none"),
    Case(
        "an sp nobody knows", {EXAMPLE: f"{REJECT}; sp=x"}, "fail", author="a@x.example.tld", policy="reject", code=550
    ),
    Case("an alignment nobody knows is relaxed", {EXAMPLE: f"{REJECT}; adkim=x"}, "pass", dkim=("m.example.tld",)),
    Case("test mode: reject is quarantine", {EXAMPLE: f"{REJECT}; t=y"}, "fail", policy="reject"),
    Case("test mode: quarantine is nothing", {EXAMPLE: f"{QUARANTINE}; t=y"}, "fail", policy="quarantine"),
    Case("t=n is no test", {EXAMPLE: f"{REJECT}; t=n"}, "fail", policy="reject", code=550),
)
TROUBLE = (
    Case("the policy cannot be had", {EXAMPLE: "SERVFAIL"}, "temperror"),
    Case("the policy does not come", {EXAMPLE: "TIMEOUT"}, "temperror"),
    Case("the organization's policy cannot be had", {EXAMPLE: "SERVFAIL"}, "temperror", author="a@x.example.tld"),
    Case("the policy cannot be had, all proven", {EXAMPLE: "SERVFAIL"}, "temperror", dkim=(EXAMPLE,)),
    Case(
        "spf of the domain cannot be had",
        {EXAMPLE: REJECT},
        "temperror",
        spf_fails="s.example.tld",
        zone={"s.example.tld": "SERVFAIL"},
    ),
    Case(
        "a stranger's spf cannot be had",
        {EXAMPLE: REJECT},
        "fail",
        spf_fails="s.other.xyz",
        zone={"s.other.xyz": "SERVFAIL"},
        code=550,
    ),
    Case(
        "spf of a domain that strictness rules out cannot be had",
        {EXAMPLE: f"{REJECT}; aspf=s"},
        "fail",
        spf_fails="s.example.tld",
        zone={"s.example.tld": "SERVFAIL"},
        code=550,
    ),
    Case(
        "a sister's policy cannot be had, the domain itself has signed",
        {EXAMPLE: REJECT, "bad.example.tld": "SERVFAIL"},
        "pass",
        dkim=("bad.example.tld", EXAMPLE),
    ),
    Case(
        "a sister's policy cannot be had, another sister has signed",
        {EXAMPLE: REJECT, "bad.example.tld": "SERVFAIL"},
        "pass",
        dkim=("bad.example.tld", "good.example.tld"),
    ),
    Case(
        "a sister's policy cannot be had, nobody else has signed",
        {EXAMPLE: REJECT, "bad.example.tld": "SERVFAIL"},
        "temperror",
        dkim=("bad.example.tld",),
    ),
    Case(
        "what is above cannot be had, the domain has signed",
        {EXAMPLE: REJECT, "tld": "SERVFAIL"},
        "pass",
        dkim=(EXAMPLE,),
    ),
    Case("what is above cannot be had, nothing is proven", {EXAMPLE: REJECT, "tld": "SERVFAIL"}, "fail", code=550),
    Case(
        "whether the domain exists cannot be had, it has signed",
        {EXAMPLE: f"{REJECT}; np=none"},
        "pass",
        author="a@x.example.tld",
        dkim=("x.example.tld",),
        missing=True,
        zone={"x.example.tld": "SERVFAIL"},
        policy="reject",
    ),
    Case(
        "whether the domain exists cannot be had, nothing is proven",
        {EXAMPLE: f"{REJECT}; np=none"},
        "temperror",
        author="a@x.example.tld",
        missing=True,
        zone={"x.example.tld": "SERVFAIL"},
    ),
    Case(
        "a stranger's policy cannot be had",
        {EXAMPLE: REJECT, "other.xyz": "SERVFAIL"},
        "fail",
        dkim=("other.xyz",),
        code=550,
    ),
)
AUTHORS = (
    Case(
        "two authors of one domain",
        {EXAMPLE: REJECT},
        "pass",
        fields=("a@example.tld, b@example.tld",),
        dkim=(EXAMPLE,),
    ),
    Case(
        "two domains, one proven",
        {EXAMPLE: REJECT},
        "fail",
        fields=("a@other.xyz, b@example.tld",),
        dkim=("other.xyz",),
        code=550,
    ),
    Case(
        "two domains, both proven",
        {EXAMPLE: REJECT, "other.xyz": REJECT},
        "permerror",
        fields=("a@other.xyz, b@example.tld",),
        dkim=("other.xyz", EXAMPLE),
    ),
    Case(
        "two From fields",
        {EXAMPLE: REJECT},
        "fail",
        fields=("a@other.xyz", "a@example.tld"),
        dkim=("other.xyz",),
        code=550,
    ),
    Case("no address", {EXAMPLE: REJECT}, "none", fields=("somebody",)),
    Case("a domain with letters that cannot be seen", {EXAMPLE: REJECT}, "permerror", fields=("a@exa\u200dmple.tld",)),
    Case("an address in a display name", {EXAMPLE: REJECT}, "none", fields=('"a@example.tld" <a@other.xyz>',)),
    Case("an address in a comment", {EXAMPLE: REJECT}, "fail", fields=("a@example.tld (b@other.xyz)",), code=550),
    Case(
        "an international domain",
        {"xn--bcher-kva.tld": REJECT},
        "pass",
        fields=("a@bücher.tld",),
        dkim=("xn--bcher-kva.tld",),
    ),
)
CASES = (*ALIGNMENT, *DISCOVERY, *RECORDS, *TROUBLE, *AUTHORS)
