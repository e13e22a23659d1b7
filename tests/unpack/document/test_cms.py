# SPDX-License-Identifier: GPL-3.0-or-later
"""S/MIME that is signed or compressed and not encrypted: what mail programs show is taken out."""

import subprocess
import zlib
from pathlib import Path

import pytest

from milterguard.core.part import Flag
from milterguard.unpack.document import cms
from milterguard.unpack.kind import is_openable, kinds_of
from milterguard.unpack.member import Request
from tests.unpack.document.looking import look_at
from tests.unpack.examined import examined

EXE = b"MZ" + bytes(300)
ENTITY = b"Content-Type: text/plain\r\n\r\nHello.\r\n"
SIGNED, COMPRESSED = "2a864886f70d010702", "2a864886f70d0109100109"
DATA = "2a864886f70d010701"


def item(tag: int, content: bytes, *, is_open: bool = False) -> bytes:
    """Return an item of BER; ``is_open``: its length is not told."""
    if is_open:
        return bytes((tag, 0x80)) + content + b"\0\0"
    size = len(content)
    length = bytes((size,)) if size < 128 else b"\x84" + size.to_bytes(4, "big")
    return bytes((tag,)) + length + content


def made(content: bytes | None, *, kind: str = SIGNED, is_open: bool = False, pieces: int = 0) -> bytes:
    """Return such data with a content, or without one."""
    string = item(0x04, content or b"")
    if pieces:
        parts = [(content or b"")[start : start + pieces] for start in range(0, len(content or b""), pieces)]
        string = item(0x24, b"".join(item(0x04, part) for part in parts), is_open=is_open)
    explicit = b"" if content is None else item(0xA0, string, is_open=is_open)
    inner = item(0x30, item(0x06, bytes.fromhex(DATA)) + explicit, is_open=is_open)
    algorithm = item(0x30, item(0x06, b"\x2a\x03"))
    algorithms = item(0x31, algorithm, is_open=is_open) if kind == SIGNED else algorithm
    certificates = item(0xA0, item(0x30, item(0x04, b"not content")))
    body = item(0x30, item(0x02, b"\1") + algorithms + inner + certificates, is_open=is_open)
    return item(0x30, item(0x06, bytes.fromhex(kind)) + item(0xA0, body, is_open=is_open), is_open=is_open)


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("pieces", [0, 10, 1000])
@pytest.mark.parametrize("content", [ENTITY, b"", bytes(200_000)], ids=["entity", "empty", "large"])
def test_what_is_signed_is_taken_out(content: bytes, pieces: int, is_open: bool) -> None:
    """In one piece or in many, whether lengths are told or not."""
    octets = made(content, is_open=is_open, pieces=pieces)
    assert kinds_of(octets[:40960], octets[-66_000:], len(octets)) == ("smime",)
    assert is_openable(("smime",))
    assert look_at(cms.look, octets).children == [((), content)]


def test_what_is_compressed_is_taken_out() -> None:
    """And clamd is given it."""
    octets = made(zlib.compress(ENTITY), kind=COMPRESSED)
    assert kinds_of(octets) == ("smime",)
    seen = look_at(cms.look, octets)
    assert (seen.children, seen.hidden) == ([((), ENTITY)], 1)


def test_a_signature_alone_has_nothing_in_it() -> None:
    """It stands beside what it signs."""
    assert look_at(cms.look, made(None)).children == []


@pytest.mark.parametrize("kept", range(2, 40))
def test_what_is_cut_short_is_told(kept: int) -> None:
    """It says to be signed data, and nobody can read it."""
    assert Flag.UNDECODABLE in examined(made(ENTITY)[:kept], Request(kinds=("smime",))).leaf.flags


def test_an_attachment_in_a_signed_message_is_found() -> None:
    """With its name, as deep as it stands."""
    entity = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    entity += b"Content-Type: application/octet-stream; name=evil.exe\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    entity += EXE + b"\r\n--b--\r\n"
    members = examined(made(entity, is_open=True, pieces=100)).members
    assert [member.names for member in members if "exe-ms" in member.kinds] == [("evil.exe",)]


@pytest.mark.parametrize("options", [["-nodetach"], ["-nodetach", "-stream"]])
def test_what_openssl_signs_is_read(tmp_path: Path, options: list[str]) -> None:
    """As mail programs write it."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    pair = ["-keyout", str(key), "-out", str(certificate)]
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *pair, "-subj", "/CN=a"]
    subprocess.run(request, check=True, capture_output=True)
    signer = ["-signer", str(certificate), "-inkey", str(key)]
    sign = ["openssl", "cms", "-sign", "-binary", "-outform", "DER", *signer, *options]
    octets = subprocess.run(sign, input=ENTITY * 500, check=True, capture_output=True).stdout
    assert look_at(cms.look, octets).children == [((), ENTITY * 500)]


def test_more_pieces_than_are_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at what comes after those; as many as are read are no trouble."""
    for most, expected in ((4, True), (9, False)):
        monkeypatch.setattr(cms, "_MOST_PIECES", most)
        found = examined(made(b"0123456", pieces=1), Request(kinds=("smime",)))
        assert (Flag.UNDECODABLE in found.flags) is expected
