# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in a calendar are parts of the message, as Outlook shows them."""

from base64 import b64encode

import pytest

from milterguard.mime.calendar import attached
from tests.mime.message import leaves, walked

EXE = b"MZ" + bytes(range(200))
ENCODED = b64encode(EXE)


def calendar(parameters: bytes, value: bytes = ENCODED, fold: int = 70) -> bytes:
    line = b"ATTACH" + parameters + b":" + value
    folded = b"\r\n ".join(line[start : start + fold] for start in range(0, len(line), fold))
    return b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:x\r\n" + folded + b"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


@pytest.mark.parametrize(
    "parameters",
    [
        b";ENCODING=BASE64;VALUE=BINARY;X-FILENAME=evil.exe",
        b";encoding=base64;value=binary;x-apple-filename=evil.exe",
        b';FILENAME="evil.exe";VALUE=BINARY;ENCODING=BASE64',
        b';X-NOTE="a:b;c";ENCODING="BASE64";FILENAME=evil.exe',
        b";X-MS-FILENAME=evil.exe;ENCODING=B",
    ],
)
@pytest.mark.parametrize("fold", [3, 70, 5000])
def test_a_file_is_found(parameters: bytes, fold: int) -> None:
    """Wherever the lines are folded, with its name."""
    assert list(attached(calendar(parameters, fold=fold))) == [("evil.exe", ENCODED)]


def test_a_link_is_no_file() -> None:
    """It is fetched by who follows it."""
    assert list(attached(calendar(b";FMTTYPE=text/html", b"http://a.example/"))) == []


@pytest.mark.parametrize("encoding", [b"7bit", b"base64", b"quoted-printable"])
@pytest.mark.parametrize("declared", [b"text/calendar; method=REQUEST", b"application/octet-stream; name=a.ics"])
def test_it_is_a_part_of_the_message(declared: bytes, encoding: bytes) -> None:
    """Whatever the calendar is encoded in."""
    text = calendar(b";ENCODING=BASE64;X-FILENAME=evil.exe")
    body = {b"base64": b64encode(text), b"quoted-printable": text.replace(b"=", b"=3D")}.get(encoding, text)
    found = walked(b"Content-Type: " + declared + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body)
    assert [(one.names, octets) for one, octets in leaves(found) if one.reading == "in a calendar"] == [
        (("evil.exe",), EXE)
    ]
    assert not [problem for problem in found.problems if problem.flag]


def test_more_files_than_are_looked_into_are_told() -> None:
    """As over the limits."""
    text = calendar(b";ENCODING=BASE64;X-FILENAME=evil.exe") * 51
    found = walked(b"Content-Type: text/calendar\r\n\r\n" + text)
    assert [problem.flag for problem in found.problems] == ["over limits"]
    assert sum(one.reading == "in a calendar" for one, _ in leaves(found)) == 50
