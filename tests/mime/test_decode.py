# SPDX-License-Identifier: GPL-3.0-or-later
"""The decoders as the walker calls them: one name, one range, readings."""

import email
import mmap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.mime.decode import carved, decodings, embedded
from tests.data import mails, oddities
from tests.mime.encoder import base64_lines, first, whole

ENCODINGS = ("identity", "base64", "quoted-printable", "uuencode", "yenc", "binhex")
LETTERS = st.lists(st.sampled_from([bytes((each,)) for each in b"ABab09+/-_=\r\n\t :M`!\x00\x90\xff"]), max_size=200)


def test_an_encoding_that_is_not_known_leaves_the_octets_alone() -> None:
    """Whatever they are."""
    assert whole(first(b"QUJD\0=41", "x-unheard-of")) == b"QUJD\0=41"


def test_only_the_range_is_decoded() -> None:
    """One that reaches beyond the octets ends where they do."""
    assert whole(decodings(b"--QUJD--", 2, 6, "base64")[0]) == b"ABC"
    assert whole(decodings(b"QUJD", -3, 99, "base64")[0]) == b"ABC"
    assert whole(decodings(b"QUJD", 3, 1, "identity")[0]) == b""


def test_a_mapped_file_is_decoded_like_bytes(tmp_path: Path) -> None:
    """The walker's octets need not lie in memory."""
    octets = bytes(range(256)) * 3000
    path = tmp_path / "part"
    path.write_bytes(base64_lines(octets))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert whole(decodings(mapped, 0, len(mapped), "base64")[0]) == octets
        assert embedded(mapped, 0, len(mapped)) == ()
        assert carved(mapped, 0, len(mapped)) == ((0, len(mapped)),)


@given(octets=st.one_of(st.binary(max_size=300), LETTERS.map(b"".join)), encoding=st.sampled_from(ENCODINGS))
def test_no_octets_are_too_odd(octets: bytes, encoding: str) -> None:
    """At most 8 readings, the first never ambiguous, each the same when asked for again, no block empty or large."""
    found = decodings(octets, 0, len(octets), encoding)
    assert 1 <= len(found) <= 8
    assert not found[0].reading
    assert not found[0].is_ambiguous
    assert len({each.reading for each in found}) == len(found)
    for each in found:
        blocks = list(each.blocks())
        assert all(0 < len(block) <= 1 << 20 for block in blocks)
        assert blocks == list(each.blocks())


def test_real_mail_is_read_as_the_library_reads_it() -> None:
    """Regular parts octet for octet; one part in a hundred may be ambiguous, and that only of spam."""
    count = 0
    ambiguous: list[str] = []
    for kind in ("ham", "spam"):
        for name, raw, encoding, decoded in _encoded_parts(kind):
            found = decodings(raw, 0, len(raw), encoding)
            count += 1
            ambiguous += [name for each in found if each.is_ambiguous]
            assert found[0].is_odd or whole(found[0]) == decoded, name
    assert count > 400
    assert len(ambiguous) <= count // 100
    assert not [name for name in ambiguous if "ham" in name]


def _encoded_parts(kind: str) -> Iterator[tuple[str, bytes, str, bytes]]:
    """Yield a mail's name, and an encoded part of it with its encoding and what the library decodes it to."""
    for name, octets in mails(kind):
        if b"quoted-printable" not in octets.lower() and b"base64" not in octets.lower():
            continue
        for part in email.message_from_bytes(octets).walk():
            encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
            decoded = part.get_payload(decode=True)
            if encoding in ("base64", "quoted-printable") and isinstance(decoded, bytes):
                raw = part._payload  # type: ignore[attr-defined]
                yield name, raw.encode("ascii", "surrogateescape"), encoding, decoded


@pytest.mark.parametrize("message", oddities("hide-content").values())
def test_the_samples_are_decoded_in_full(message: bytes) -> None:
    """What follows the last field that names an encoding is a zip, to its very end."""
    text = message.replace(b"\r\n", b"\n")
    fields, _, body = text[text.rindex(b"\nContent-type: application/") : text.rindex(b"\n--")].partition(b"\n\n")
    decoded = whole(first(body, "quoted-printable" if b"quoted-printable" in fields else "base64"))
    assert decoded.startswith(b"PK\x03\x04")
    assert decoded.rindex(b"PK\x05\x06") + 22 <= len(decoded) <= decoded.rindex(b"PK\x05\x06") + 24
