# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of the demonstration, made from parts so that no scanner stumbles over this file."""

import io
import zipfile
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from tests.daemons.sample import EICAR, GTUBE, points_phrase

USER = "user@example.com"
LOVER = "lover@example.com"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of the demonstration."""

    title: str
    octets: bytes
    recipients: tuple[str, ...] = (USER,)
    needs_clamd: bool = True
    """False: clamd is stopped while it is sent."""


def letters() -> tuple[Letter, ...]:
    """Return the messages in the order in which they are sent."""
    return (
        Letter("clean", octets(_message("Lunch on Friday", "Shall we meet at noon?"))),
        Letter("EICAR attached", octets(_message("Invoice", "See attachment.", ("eicar.com", EICAR)))),
        Letter("EICAR in a zip", octets(_message("Invoice", "See attachment.", ("invoice.zip", zipped(EICAR))))),
        Letter("GTUBE", octets(_message("You have won", GTUBE.decode()))),
        Letter("between tag2 and kill level", octets(_message("Our new catalogue", points_phrase("6-5")))),
        Letter("forged X-Spam and X-Virus-Scanned", _forged()),
        Letter("10 MB attachment", octets(_message("Holiday film", "Look!", ("film.bin", bytes(10_000_000))))),
        Letter("two recipients, one loves spam", octets(_message("You have won", GTUBE.decode())), (USER, LOVER)),
        Letter("while clamd is stopped", octets(_message("Minutes", "Please approve.")), needs_clamd=False),
        Letter("after clamd is back", octets(_message("Minutes", "Please approve."))),
    )


def _message(subject: str, text: str, attachment: tuple[str, bytes] | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Sender <sender@sender.example>"
    message["To"] = f"User <{USER}>"
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="sender.example")
    message.set_content(text)
    if attachment is not None:
        name, content = attachment
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message


def _forged() -> bytes:
    message = _message("Trust me", points_phrase("6-5"))
    message["X-Spam-Flag"] = "NO"
    message["X-Spam-Flag"] = "NO"
    message["X-Spam-Status"] = "No, score=-100"
    message["X-Virus-Scanned"] = "clean, I promise"
    return octets(message)


def octets(message: EmailMessage) -> bytes:
    """Return a message as it goes over the wire."""
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def zipped(content: bytes, name: str = "eicar.com") -> bytes:
    """Return a zip with one member."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zip_file:
        zip_file.writestr(name, content)
    return archive.getvalue()


def message_id(letter: bytes) -> str:
    """Return the Message-ID of a message's octets."""
    start = letter.index(b"Message-ID:") + len(b"Message-ID:")
    return letter[start : letter.index(b"\r\n", start)].decode("ascii").strip()
