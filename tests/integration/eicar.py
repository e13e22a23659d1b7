# SPDX-License-Identifier: GPL-3.0-or-later
"""180 ordinary mails with EICAR in base64: six ways to carry it under thirty kinds of header section.

clamd looks into a stream as mail only when its first lines look like mail, and who sends the mail
decides about those lines: no MIME-Version, no From, or all of it behind fields it does not know.
"""

from base64 import encodebytes
from collections.abc import Iterator
from itertools import product

from tests.daemons.sample import EICAR
from tests.demo.mail import zipped

_PRESENT = (
    ("From", "To", "Subject", "Date"),
    ("From", "To"),
    ("Subject",),
    ("Date",),
    (),
)
_FILLER_OCTETS = (0, 1000, 4000)
_FILLER_FIRST = (True, False)
_VALUES = {
    "From": "Sender <sender@sender.example>",
    "To": "user@example.com",
    "Subject": "invoice",
    "Date": "Sat, 21 Nov 2026 12:00:00 +0000",
}


def variants() -> Iterator[tuple[str, bytes]]:
    """Yield a name and a message's octets for each variant."""
    headers = product(_PRESENT, _FILLER_OCTETS, _FILLER_FIRST)
    for (present, size, is_first), (carrier, (fields, body)) in product(headers, _carriers().items()):
        name = f"{carrier} under {'+'.join(present) or 'nothing'}, {size} unknown {'before' if is_first else 'behind'}"
        yield name, _message(present, size, is_first=is_first, fields=fields) + body


def _message(present: tuple[str, ...], size: int, *, is_first: bool, fields: bytes) -> bytes:
    known = b"".join(f"{name}: {_VALUES[name]}\r\n".encode() for name in present)
    filler = b"".join(b"X-Unknown-%03d: %s\r\n" % (number, b"u" * 60) for number in range(size // 78))
    return (filler + known if is_first else known + filler) + fields + b"\r\n"


def _carriers() -> dict[str, tuple[bytes, bytes]]:
    """Return the MIME fields and the body of each way to carry the attachment."""
    leaf = _part("application/octet-stream", encodebytes(EICAR), name="eicar.com")
    archive = _part("application/zip", encodebytes(zipped(EICAR)), name="invoice.zip")
    text = b"Content-Type: text/plain\r\n\r\nSee attachment.\r\n"
    return {
        "attachment": _multipart("mixed", text, leaf),
        "zip": _multipart("mixed", text, archive),
        "alternative": _multipart("alternative", text, leaf),
        "nested": _multipart("mixed", text, b"".join(_parts("related", text, leaf, boundary="inner"))),
        "only part": _multipart("mixed", leaf),
        "whole body": _split(_part("application/octet-stream", encodebytes(EICAR), name="eicar.com")),
    }


def _part(kind: str, encoded: bytes, *, name: str) -> bytes:
    head = f'Content-Type: {kind}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
    return head.encode() + f'Content-Disposition: attachment; filename="{name}"\r\n\r\n'.encode() + _crlf(encoded)


def _multipart(subtype: str, *parts: bytes) -> tuple[bytes, bytes]:
    head, body = _parts(subtype, *parts, boundary="outer")
    return head.removesuffix(b"\r\n"), body


def _parts(subtype: str, *parts: bytes, boundary: str) -> tuple[bytes, bytes]:
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'.encode()
    mark = f"--{boundary}".encode()
    body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"
    return head, body


def _split(part: bytes) -> tuple[bytes, bytes]:
    head, _, body = part.partition(b"\r\n\r\n")
    return head + b"\r\n", body


def _crlf(octets: bytes) -> bytes:
    return octets.replace(b"\n", b"\r\n")
