# SPDX-License-Identifier: GPL-3.0-or-later
"""What hides in mail does not get through: evasions, archives, bombs, names, by real Postfix and clamd."""

import gzip
import io
import re
import subprocess
import time
import zipfile
from base64 import encodebytes
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemons import Clamd, Milterguard, Postfix, Sink, Smtp, wait_until
from tests.daemons.sample import EICAR
from tests.data import SCANNER_FILES, evasions, oddities
from tests.integration.conftest import Serve

SENDER, USER = "sender@sender.example", "user@example.com"
ZIP_RULES = {"ZIP": [{"title": "zip", "extension": ["zip"]}], "PNG": [{"title": "png", "extension": ["png"]}]}


@pytest.fixture
def guard(serve: Serve, clamd: Clamd) -> Milterguard:
    return serve({"banned": {**ZIP_RULES}}, clamd=clamd.socket)


@pytest.fixture
def client(postfix: Postfix, guard: Milterguard) -> Iterator[Smtp]:
    assert guard.is_running
    with Smtp(postfix.port) as smtp:
        smtp.ehlo()
        yield smtp


def told(smtp: Smtp, octets: bytes) -> str:
    return str(smtp.send(re.sub(rb"\r?\n", b"\r\n", octets), sender=SENDER, recipients=[USER]).last)


def with_attachments(*attached: tuple[str, bytes]) -> bytes:
    """Return an ordinary mail with these files in it."""
    fields = (
        b"From: sender@sender.example",
        b"To: user@example.com",
        b"Subject: files",
        b"Date: Mon, 1 Jun 2026 10:00:00 +0000",
        b"Message-ID: <files@sender.example>",
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/mixed; boundary="=_b"',
    )
    head = b"".join(field + b"\r\n" for field in fields) + b"\r\n"
    parts = [b"Content-Type: text/plain\r\n\r\nSee there.\r\n"]
    for name, octets in attached:
        own = f'Content-Type: application/octet-stream; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
        own += f'Content-Disposition: attachment; filename="{name}"\r\n\r\n'
        parts.append(own.encode() + encodebytes(octets).replace(b"\n", b"\r\n"))
    return head + b"".join(b"--=_b\r\n" + part for part in parts) + b"--=_b--\r\n"


def zipped(*members: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in members:
            archive.writestr(name, octets)
    return made.getvalue()


def test_mail_that_scanners_misread_does_not_get_through(client: Smtp, sink: Sink) -> None:
    """All samples end as found, banned or ambiguous; clamd alone passes four of the seven and one of the nineteen."""
    samples = {**evasions(), **oddities("hide-content")}
    assert len(samples) == 26
    answers = {name: told(client, octets) for name, octets in samples.items()}
    wrong = {name: each for name, each in answers.items() if not re.match(r"554 .*(INFECTED|BANNED|AMBIGUOUS)", each)}
    assert wrong == {}
    assert sink.messages == ()
    assert all("INFECTED" in answers[name] for name in oddities("hide-content"))


def test_no_spelling_hides_a_file_name(serve: Serve, clamd: Clamd, postfix: Postfix, sink: Sink) -> None:
    """A rule on .zip finds it in each of the sixteen that carry it; the other two show that .png is seen as well."""
    serve({"banned": {**ZIP_RULES}, "policy": {"banned_rules": ["ZIP"]}}, clamd=clamd.socket)
    plain = {name for name, octets in oddities("hide-filename").items() if b"file.zip" not in _decoded(octets)}
    with Smtp(postfix.port) as smtp:
        smtp.ehlo()
        answers = {name: told(smtp, octets) for name, octets in oddities("hide-filename").items()}
    passed = {name for name, each in answers.items() if "BANNED: zip" not in each and "AMBIGUOUS" not in each}
    assert len(answers) == 18
    assert len(plain) == 2
    assert passed == plain


def _decoded(octets: bytes) -> bytes:
    return octets.replace(b"%7A%69%70", b"zip")


@pytest.mark.parametrize("is_zipped", [False, True], ids=["attached", "zipped"])
def test_every_test_file_of_clamav_is_found_or_unchecked(
    serve: Serve, clamd: Clamd, postfix: Postfix, is_zipped: bool
) -> None:
    """All 44 of Debian's clamav-testfiles, with a clamd that knows the test signature and nothing else."""
    serve({"policy": {"unchecked_destiny": "reject", "banned_destiny": "pass"}}, clamd=clamd.socket)
    files = sorted(SCANNER_FILES.iterdir())
    assert len(files) == 44
    wrong = {}
    with Smtp(postfix.port) as smtp:
        smtp.ehlo()
        for file in files:
            name, octets = file.name, file.read_bytes()
            name, octets = (f"{name}.zip", zipped((name, octets))) if is_zipped else (name, octets)
            answer = told(smtp, with_attachments((name, octets)))
            if not re.match(r"554 .*(INFECTED|UNCHECKED)", answer):
                wrong[name] = answer
    assert wrong == {}


BOMBS: dict[str, Callable[[], bytes]] = {
    "zeros.gz": lambda: gzip.compress(bytes(300_000_000), 9),
    "nested.zip": lambda: _nested(40),
    "many.zip": lambda: zipped(*((f"{number}.txt", b"x") for number in range(12_000))),
}


def _nested(depth: int) -> bytes:
    octets = zipped(("eicar.com", EICAR))
    for level in range(depth):
        octets = zipped((f"{level}.zip", octets))
    return octets


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_unchecked_and_what_lies_beside_it_is_found(client: Smtp, guard: Milterguard, name: str) -> None:
    """Within the deadline; the next message works."""
    bomb = BOMBS[name]()
    began = time.monotonic()
    assert "INFECTED" in told(client, with_attachments((name, bomb), ("eicar.zip", zipped(("eicar.com", EICAR)))))
    alone = told(client, with_attachments((name, bomb)))
    assert time.monotonic() - began < 40
    assert alone.startswith("250") or "INFECTED" in alone
    # The log is written behind the answer.
    if alone.startswith("250"):
        wait_until(lambda: "UNCHECKED-OVER-LIMITS" in guard.log(), seconds=10, what="the log line")
    assert told(client, with_attachments(("a.txt", b"hello"))).startswith("250")


def test_what_is_encrypted_is_delivered_with_a_warning(
    client: Smtp, guard: Milterguard, sink: Sink, tmp_path: Path
) -> None:
    """Also where not even the names can be read."""
    (tmp_path / "letter.txt").write_text("secret")
    command = ["7zz", "a", "-bd", "-psecret", "-mhe=on", str(tmp_path / "shut.7z"), str(tmp_path / "letter.txt")]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert told(client, with_attachments(("shut.7z", (tmp_path / "shut.7z").read_bytes()))).startswith("250")
    (message,) = sink.wait_for(1)
    (alert,) = message.values("X-Amavis-Alert")
    assert alert.startswith("UNCHECKED, message could not be looked into: UNCHECKED-ENCRYPTED")
    assert guard.is_running


def test_an_executable_is_banned_wherever_it_lies(client: Smtp) -> None:
    """Renamed, in a zip in a zip, in a forwarded mail, in a text: by its octets and by its name."""
    program = (SCANNER_FILES / "clam.exe").read_bytes().replace(b"CLAM", b"CALM")
    forwarded = with_attachments(("holiday.scr", b"not even a program"))
    wrapped = b"Content-Type: message/rfc822\r\n\r\n" + forwarded
    for name, octets in {
        "renamed": with_attachments(("letter.txt", program)),
        "zipped twice": with_attachments(("a.zip", zipped(("b.zip", zipped(("letter.txt", program)))))),
        "forwarded": b"From: a@sender.example\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        + wrapped,
        "a name alone": with_attachments(("a.zip", zipped(("read.me.exe", b"text")))),
    }.items():
        assert "BANNED" in told(client, octets), name
