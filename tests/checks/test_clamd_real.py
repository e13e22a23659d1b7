# SPDX-License-Identifier: GPL-3.0-or-later
"""The real clamd says what the check expects, at its limits too."""

import dataclasses
import io
import threading
import time
import zipfile
from base64 import encodebytes
from datetime import datetime
from pathlib import Path

import pytest

from milterguard.checks.base import Budget, NothingInside
from milterguard.checks.clamd import ClamdCheck, ping, scan_octets, signature_age, version
from milterguard.config import settings
from milterguard.config.socket import SocketSpec
from milterguard.core.finding import Category, Finding
from milterguard.core.message import Message
from milterguard.errors import CheckError, CheckTimeout, CheckUnavailable
from tests.core.build import message
from tests.daemons import Clamd
from tests.daemons.sample import EICAR, EICAR_NAME
from tests.fakes.content import Arriving


def check(*sockets: str, timeout_seconds: float = 20.0) -> ClamdCheck:
    return ClamdCheck(settings.Clamd(sockets=sockets, timeout_seconds=timeout_seconds, retry_seconds=0))


def run(asked: ClamdCheck, about: Message) -> Finding:
    (finding,) = asked.run(about, Budget(time.monotonic() + 60), NothingInside())
    return finding


def attached(octets: bytes, *lines: str) -> Message:
    """Return a message that is nothing but these octets in base64."""
    coding = "Content-Transfer-Encoding: base64"
    body = encodebytes(octets).replace(b"\n", b"\r\n")
    return message(*lines, "MIME-Version: 1.0", "Content-Type: application/octet-stream", coding, body=body)


def large(size: int) -> Message:
    content = Arriving(b"x" * size)
    content.complete()
    return dataclasses.replace(message(), content=content)


def zipped(octets: bytes, *, levels: int = 1) -> bytes:
    for level in range(levels):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{level}.zip" if level else "a.txt", octets)
        octets = file.getvalue()
    return octets


def encrypted(archive: bytes) -> bytes:
    """Return a ZIP file whose members say that they are encrypted (APPNOTE 4.4.4, bit 0)."""
    octets = bytearray(archive)
    octets[octets.index(b"PK\x03\x04") + 6] |= 1
    octets[octets.index(b"PK\x01\x02") + 8] |= 1
    return bytes(octets)


def test_harmless_mail_is_clean(clamd: Clamd) -> None:
    """A real clamd says OK about an ordinary message."""
    assert run(check(clamd.socket), message()).category is Category.CLEAN


def test_virus_in_base64_is_found_whatever_the_header(clamd: Clamd) -> None:
    """The fields put in front make clamd see a mail, even where the message has nearly none of its own (D4)."""
    for lines in ((), ("From: a@sender.example",), tuple(f"X-Filler-{n}: {'x' * 70}" for n in range(60))):
        finding = run(check(clamd.socket), attached(b"text " + EICAR, *lines))
        assert finding.category is Category.VIRUS
        assert finding.detail.startswith(EICAR_NAME)


def test_encrypted_archive_is_unchecked(clamd: Clamd) -> None:
    """What clamd cannot open because it is encrypted is UNCHECKED."""
    finding = run(check(clamd.socket), attached(encrypted(zipped(b"secret" * 100))))
    assert (finding.category, finding.minor) == (Category.UNCHECKED, "encrypted")


def test_archive_nested_too_deep_is_unchecked(clamd: Clamd) -> None:
    """What lies deeper than clamd looks is UNCHECKED."""
    finding = run(check(clamd.socket), attached(zipped(EICAR, levels=20)))
    assert (finding.category, finding.minor) == (Category.UNCHECKED, "over limits")


@pytest.mark.parametrize("size", [30 * 1024 * 1024 + 10, 40_000_000], ids=["by a little", "by a lot"])
def test_message_over_the_stream_limit_is_unchecked(clamd: Clamd, size: int) -> None:
    """A message larger than StreamMaxLength is UNCHECKED, and clamd stays in service."""
    asked = check(clamd.socket)
    finding = run(asked, large(size))
    assert (finding.category, finding.detail) == (Category.UNCHECKED, "StreamMaxLength")
    assert run(asked, message()).category is Category.CLEAN


def test_killed_clamd_says_nothing(clamd: Clamd) -> None:
    """While clamd is dead there is no answer; when it is back there is one again."""
    asked = check(clamd.socket)
    clamd.kill()
    with pytest.raises(CheckUnavailable):
        run(asked, message())
    clamd.restart()
    assert run(asked, message()).category is Category.CLEAN


def test_clamd_killed_under_load_never_says_clean(clamd: Clamd) -> None:
    """However many scans a kill interrupts, none of them calls a virus clean."""
    asked, infected = check(clamd.socket), attached(EICAR + b"x" * 100_000)
    categories: list[Category | None] = []
    is_over = threading.Event()

    def scan() -> None:
        while not is_over.is_set():
            try:
                categories.append(run(asked, infected).category)
            except CheckError:
                categories.append(None)

    threads = [threading.Thread(target=scan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        clamd.kill()
        clamd.restart()
    is_over.set()
    for thread in threads:
        thread.join()
    assert set(categories) <= {Category.VIRUS, None}


def test_paused_clamd_times_out(clamd: Clamd) -> None:
    """A clamd that hangs is given up in time."""
    clamd.pause()
    with pytest.raises(CheckTimeout):
        run(check(clamd.socket, timeout_seconds=0.5), message())
    clamd.resume()
    assert run(check(clamd.socket), message()).category is Category.CLEAN


def test_clamd_behind_tcp(daemon_folder: Path) -> None:
    """Over TCP the same holds, the stream limit included."""
    with Clamd(daemon_folder / "clamd-tcp", tcp=True, stream_max_length="2M") as clamd:
        asked = check(clamd.socket)
        assert run(asked, message()).category is Category.CLEAN
        assert run(asked, attached(EICAR)).category is Category.VIRUS
        assert run(asked, large(20_000_000)).detail == "StreamMaxLength"


def test_questions_of_the_operator(clamd: Clamd) -> None:
    """PING, VERSION and a probe are answered by a real clamd."""
    spec = SocketSpec.parse(clamd.socket)
    ping(spec, 5.0)
    assert version(spec, 5.0).startswith("ClamAV ")
    assert signature_age(version(spec, 5.0), datetime.now().astimezone()) is None
    assert scan_octets(spec, EICAR, 5.0).endswith(" FOUND")
    assert scan_octets(spec, b"harmless", 5.0) == "stream: OK"
