# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a signature hold, fail or be none."""

import time
from base64 import b64encode

import pytest

import dkim
from milterguard.core.message import Field
from milterguard.dkim.canonical import BodyKind, Canonical
from milterguard.dkim.key import key_for, public_key
from milterguard.dkim.signature import Malformed, signature_of, without_value
from milterguard.dkim.verify import Checked, signatures_of
from milterguard.keys.private import PrivateKey, generated
from tests.dkim.build import ED25519, NOW, RSA, checked, records, signed

LETTER = b"From: a@example.com\r\nTo: b@example.net\r\nSubject:  two  blanks \r\n\r\nHello  there \r\n\r\n\r\n"
HOLDS = ("pass", "")


def outcome(octets: bytes, known: dict[str, bytes] | None = None, *, now: float = NOW) -> tuple[str, str]:
    (result,) = checked(octets, records() if known is None else known, now=now)
    return result.result, result.reason


def with_tag(old: str, new: str, **of: object) -> bytes:
    """A signed message with its signature changed."""
    assert old.encode() in signed(LETTER)
    return signed(LETTER).replace(old.encode(), new.encode(), 1)


@pytest.mark.parametrize("key", [RSA, ED25519], ids=["rsa", "ed25519"])
@pytest.mark.parametrize("header", Canonical)
@pytest.mark.parametrize("body", Canonical)
def test_what_we_sign_holds(key: PrivateKey, header: Canonical, body: Canonical) -> None:
    """In every way to write it, by ourselves and by dkimpy."""
    octets = signed(LETTER, key, ways=(header, body))
    assert outcome(octets, records(key)) == HOLDS
    assert dkim.DKIM(octets).verify(dnsfunc=lambda name, timeout=5: records(key)[name.decode().rstrip(".")]) is True


@pytest.mark.parametrize("edge", ["\r", "\x0b", "\x0c", " \x0b "])
@pytest.mark.parametrize("header", Canonical)
def test_what_we_sign_holds_with_controls_at_the_ends_of_a_field(edge: str, header: Canonical) -> None:
    """Blanks are space and tab, and nothing else (RFC 6376 section 3.4.2)."""
    for subject in (f"{edge}hello", f"hello{edge}"):
        octets = signed(f"From: a@example.com\r\nSubject: {subject}\r\n\r\nHello.\r\n".encode(), ways=(header, header))
        assert outcome(octets) == HOLDS


def test_a_signature_is_not_among_the_fields_that_it_signs() -> None:
    """Whoever names its field means others of that name (RFC 6376 section 3.5)."""
    own = signed(LETTER, oversigned=(b"dkim-signature",))
    assert b"dkim-signature" in own
    assert outcome(own) == HOLDS
    assert [each.result for each in checked(signed(own), records(), now=NOW)] == ["pass", "fail"]


@pytest.mark.parametrize(
    ("old", "new", "header", "reason"),
    [
        (b"Subject:  two", b"Subject: two", Canonical.SIMPLE, "signature does not match"),
        (b"Subject:  two", b"subject: two", Canonical.RELAXED, ""),
        (b"b@example.net", b"c@example.net", Canonical.RELAXED, "signature does not match"),
        (b"Hello  there ", b"Hello there", Canonical.RELAXED, ""),
        (b"Hello", b"Hullo", Canonical.RELAXED, "body has changed"),
        (b"there \r\n\r\n\r\n", b"there \r\n", Canonical.RELAXED, ""),
    ],
)
def test_what_may_change_on_the_way(old: bytes, new: bytes, header: Canonical, reason: str) -> None:
    """As the canonicalisation allows, and nothing else."""
    octets = signed(LETTER, ways=(header, Canonical.RELAXED))
    assert old in octets
    assert outcome(octets.replace(old, new)) == ("fail" if reason else "pass", reason)


def test_a_from_field_that_is_not_signed() -> None:
    """A second one is what a reader may show, wherever it stands."""
    octets = signed(LETTER)
    for forged in (b"From: ceo@bank.example\r\n" + octets, octets.replace(b"To:", b"From: ceo@bank.example\r\nTo:")):
        assert outcome(forged) == ("fail", "a From field is not signed")


def test_fields_that_nobody_shall_add() -> None:
    """Signed once more than they stand: a further one breaks the signature; without that it does not."""
    added = b"Subject: another\r\n"
    assert outcome(added + signed(LETTER)) == HOLDS
    assert outcome(added + signed(LETTER, oversigned=(b"subject",)))[0] == "fail"
    assert outcome(signed(LETTER, oversigned=(b"subject", b"reply-to"))) == HOLDS


def test_a_part_of_the_body() -> None:
    """What l= leaves out is told, and proves nothing; a body that is too short fails."""
    whole, now = _with_length(13), time.time()
    (result,) = checked(whole, records(), now=now)
    assert (result.result, result.is_partial, result.proves) == ("pass", False, True)
    (result,) = checked(whole + b"Buy this\r\n", records(), now=now)
    assert (result.result, result.is_partial, result.proves) == ("pass", True, False)
    assert outcome(_with_length(18), now=now) == ("fail", "body is shorter than l=")


def _with_length(length: int) -> bytes:
    letter = b"From: a@example.com\r\n\r\nHello there\r\n"
    signature = dkim.DKIM(letter).sign(b"test", b"example.com", RSA.pem(), include_headers=[b"from"], length=True)
    if length == 13:
        return bytes(signature) + letter
    changed = bytes(signature).replace(b"l=13", b"l=%d" % length)
    return changed + letter


def test_time() -> None:
    """Expired, not yet made, within five minutes of either."""
    octets = signed(LETTER, expire_seconds=3600)
    assert outcome(octets, now=NOW + 3600 + 290) == HOLDS
    assert outcome(octets, now=NOW + 3600 + 310) == ("fail", "signature has expired")
    assert outcome(octets, now=NOW - 290) == HOLDS
    assert outcome(octets, now=NOW - 310) == ("fail", "signature is of the future")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("v=1", "v=2", "v= is not 1"),
        ("v=1; ", "", "v= is not 1"),
        ("a=rsa-sha256", "a=rsa-sha1", "a= is not accepted"),
        ("a=rsa-sha256", "a=rsa-md5", "a= is unknown"),
        ("c=relaxed/relaxed", "c=loose", "c= is unknown"),
        ("d=example.com", "d=", "no d="),
        ("d=example.com", "d=com", "d= is no domain"),
        ("d=example.com", "d=exa mple..com", "d= is no domain"),
        ("d=example.com", "d=exam ple.com", "d= is no domain"),
        ("s=test", "s=..", "s= is no selector"),
        ("s=test", "s=te st", "s= is no selector"),
        ("t=1700000000", "t=soon", "t= is no number"),
        ("t=1700000000", "t=1700000000; x=1", "x= is not after t="),
        ("t=1700000000", "t=1700000000; x=1700000000", "x= is not after t="),
        ("t=1700000000", "t=1700000000; l=-1", "l= is no number"),
        ("t=1700000000", "t=1700000000; q=http", "q= is unknown"),
        ("t=1700000000", "t=1700000000; i=a@example.org", "i= is not of d="),
        ("t=1700000000", "t=1700000000; i=a@badexample.com", "i= is not of d="),
        ("t=1700000000", "t=1700000000; i=sub.example.com", "i= is not of d="),
        ("t=1700000000", "t=1700000000; i=", "i= is not of d="),
        ("t=1700000000", "t=1700000000; d=other.com", "not a list of tags"),
        ("h=from", "h=", "h= does not name From"),
        ("bh=", "bh=!", "bh= is not base64"),
        ("v=1", "v=1; nothing", "not a list of tags"),
    ],
)
def test_what_is_no_signature(old: str, new: str, reason: str) -> None:
    """A slip in a tag is told, and nobody's key is asked for."""
    assert outcome(with_tag(old, new)) == ("permerror", reason)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("; t=y", HOLDS),
        ("; t=s", HOLDS),
        ("; h=sha1:sha256", HOLDS),
        ("; s=email", HOLDS),
        ("; n=a note; x=1", HOLDS),
        ("; g=somebody", HOLDS),
        ("; h=sha1", ("permerror", "key is not for SHA-256")),
        ("; s=tlsrpt", ("permerror", "key is not for mail")),
        ("; v=DKIM1", ("permerror", "key record is not a list of tags")),
    ],
)
def test_what_a_key_record_says(extra: str, expected: tuple[str, str]) -> None:
    """Flags, hashes, services; what is unknown or of old is ignored."""
    assert outcome(signed(LETTER), records(extra=extra)) == expected


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"v=DKIM1; p=", "key is revoked"),
        (b"v=DKIM1", "no key"),
        (b"v=DKIM2; p=AAAA", "key record is of another version"),
        (b"v=DKIM1; k=dsa; p=AAAA", "k= is unknown"),
        (b"v=DKIM1; p=!!!", "key is damaged"),
        (b"v=DKIM1; p=AAAA", "key is damaged"),
        (b"v=DKIM1; k=ed25519; p=AAAA", "key is damaged"),
        (ED25519.record.encode(), "key is of another kind"),
        (generated("rsa", bits=1024).record.encode(), ""),
        (b"x" * 20000, "key record is too long"),
    ],
)
def test_keys_that_are_none(record: bytes, reason: str) -> None:
    """And one of somebody else."""
    result = outcome(signed(LETTER), {"test._domainkey.example.com": record})
    assert result == (("permerror", reason) if reason else ("fail", "signature does not match"))


def test_no_key_and_short_keys() -> None:
    """What is not published proves nothing, nor does a key that can be broken."""
    assert outcome(signed(LETTER), {}) == ("permerror", "no key")
    signature = signature_of(Field(b"DKIM-Signature", signed(LETTER).partition(b":")[2].partition(b"\r\nFrom")[0]))
    with pytest.raises(Malformed, match="key of 2048 bits is too short"):
        key_for(signature, [RSA.record.encode()], min_bits=4096)


def test_a_key_as_a_bare_rsa_key_is_read_as_well() -> None:
    """As RFC 3279 and many domains have it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = RSA.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert public_key(b"p=" + b64encode(der)).bits == 2048


def test_a_strict_key_wants_the_very_domain() -> None:
    """t=s: i= of a domain below is none."""
    octets = with_tag("t=1700000000", "t=1700000000; i=a@sub.example.com")
    assert outcome(octets, records(extra="; t=s")) == ("permerror", "i= is not of d=, as the key asks")


def test_of_several_records_the_first_that_fits() -> None:
    """A damaged one beside it does no harm."""
    octets = signed(LETTER)
    name = "test._domainkey.example.com"
    (result,) = checked(octets, {name: [b"v=spf1 -all", RSA.record.encode()]})
    assert (result.result, result.reason) == HOLDS


@pytest.mark.parametrize("value", [b" a=1; b=xyz; c=2", b"b=x", b" b = x\r\n y ;d=1", b"a=1;\n\tb=x=="], ids=range(4))
def test_the_value_is_taken_out_of_the_signature(value: bytes) -> None:
    """That of b=, and not that of bh=."""
    shown = without_value(Field(b"X", b"bh=keep;" + value)).value
    assert b"keep" in shown
    assert not {b"xyz", b"x"} & set(shown.replace(b"=", b" ").split())


def test_a_thousand_signatures_cost_no_more_than_eight() -> None:
    """Those on top are looked at."""
    one = signed(LETTER).partition(b"From:")[0]
    octets = one * 1000 + LETTER
    from tests.dkim.build import split

    fields, _ = split(octets)
    began = time.perf_counter()
    assert len(signatures_of(fields, most=8)) == 8
    assert time.perf_counter() - began < 2.0


def test_hostile_tags_take_linear_time() -> None:
    """A field of 16 KB at most is read; a longer one is none."""
    for filler in (b";" * 16000, b" " * 16000, b"h=" + b"a:" * 8000, b"b=" + b"\n " * 8000, b"=" * 16000):
        began = time.perf_counter()
        result = signatures_of([Field(b"DKIM-Signature", b"v=1; a=rsa-sha256; " + filler)], most=8)
        assert isinstance(result[0], Checked)
        without_value(Field(b"DKIM-Signature", filler))
        assert time.perf_counter() - began < 0.2
    (long,) = signatures_of([Field(b"DKIM-Signature", b"v" * 20000)], most=8)
    assert isinstance(long, Checked)
    assert long.reason == "too long"


def test_a_large_body_is_never_held() -> None:
    """Sixty megabytes go by; the hasher keeps a line end."""
    import tracemalloc

    from milterguard.dkim.canonical import BodyHasher

    hasher = BodyHasher([BodyKind(Canonical.RELAXED), BodyKind(Canonical.SIMPLE)])
    block = (b"short\r\n" * 10000)[:65536]
    tracemalloc.start()
    for _ in range(1000):
        hasher.update(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    hasher.finish()
    assert peak < 2_000_000
