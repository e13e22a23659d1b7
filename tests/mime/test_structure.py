# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk through a message: what stands in the tree, and how it is marked."""

import base64

import pytest

from milterguard.core.part import Flag
from milterguard.mime.entity import Limits
from milterguard.mime.structure import walk
from tests.mime.message import ambiguities, leaves, walked

_HIDDEN = b"PK\3\4 what is hidden, long enough to be told from chance by whoever looks for base64.\r\n"
_BASE64 = base64.encodebytes(_HIDDEN)


def _mail(
    content_type: bytes = b"Content-Type: multipart/mixed; boundary=foo",
    *,
    boundary: bytes = b"foo",
    encoding: bytes = b"Content-Transfer-Encoding: base64",
    content: bytes = _BASE64,
) -> bytes:
    """Return a text with an attachment, ``hidden.zip``."""
    part = b'Content-Type: application/zip\r\nContent-Disposition: attachment; filename="hidden.zip"\r\n' + encoding
    return (
        b"Subject: x\r\n" + content_type + b"\r\n\r\n--" + boundary + b"\r\n\r\nhello\r\n--" + boundary + b"\r\n"
        b"" + part + b"\r\n\r\n" + content + b"\r\n--" + boundary + b"--\r\n"
    )


def test_an_ordinary_mail_has_an_ordinary_tree() -> None:
    """Parents stand before children, the text is known as such, nothing is suspect, nothing is wrong."""
    found = walked(_mail())
    assert [(one.placement, one.parent, one.types) for one in found.entities] == [
        ("1", -1, ("multipart/mixed",)),
        ("1/1", 0, ("text/plain",)),
        ("1/2", 0, ("application/zip",)),
    ]
    assert [one.is_text for one in found.entities] == [False, True, False]
    assert found.entities[2].names == ("hidden.zip",)
    assert not any(one.is_suspect or one.reading for one in found.entities)
    assert [octets for _, octets in leaves(found)] == [b"hello", _HIDDEN]
    assert found.problems == ()


def test_an_empty_message_is_a_text() -> None:
    """There is always a tree."""
    found = walk(b"", b"")
    assert [(one.placement, one.is_leaf, one.is_text) for one in found.entities] == [("1", True, True)]


def test_an_attached_text_is_no_text_of_the_mail() -> None:
    """What has a name, or is declared an attachment, is not what a mail program shows."""
    for field in (b"Content-Disposition: attachment", b"Content-Type: text/plain; name=a.txt"):
        assert not walked(field + b"\r\n\r\nhello").entities[0].is_text


@pytest.mark.parametrize(
    ("kind", "flag"), [(b"message/partial", Flag.FRAGMENT), (b"message/external-body", Flag.EXTERNAL)]
)
def test_fragments_and_references_are_flagged(kind: bytes, flag: Flag) -> None:
    """What is not whole, and what comes from elsewhere, is told."""
    assert flag in walked(b"Content-Type: " + kind + b"\r\n\r\nSubject: x\r\n\r\nhello").entities[0].flags


def test_too_deep_a_message_is_one_leaf_from_there_on() -> None:
    """Beyond the depth the rest stands undivided, and the limit is named."""
    raw = b"Content-Type: message/rfc822\r\n\r\n" * 6 + b"Subject: x\r\n\r\nhello"
    found = walked(raw, Limits(depth=3))
    assert len(found.entities) == 5
    assert leaves(found)[-1][1].endswith(b"hello")
    assert [(problem.flag, problem.detail) for problem in found.problems] == [(Flag.OVER_LIMITS, "nested too deeply")]


def test_too_many_parts_end_in_one_leaf() -> None:
    """The last part allowed holds everything that is left."""
    raw = (
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
        + b"--a\r\n\r\nx\r\n" * 50
        + b"--a\r\n\r\nlast\r\n--a--\r\n"
    )
    found = walked(raw, Limits(parts=10))
    assert len(found.entities) == 10
    assert b"last" in leaves(found)[-1][1]
    assert Flag.OVER_LIMITS in [problem.flag for problem in found.problems]


def test_decoding_is_bounded() -> None:
    """An encoded multipart is decoded as far as the limit allows."""
    content = base64.encodebytes(b"--a\r\n\r\n" + b"x" * 10_000 + b"\r\n--a--\r\n")
    raw = b"Content-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: base64\r\n\r\n" + content
    found = walked(raw, Limits(decoded_bytes=1000))
    assert sum(len(source) for source in found.sources[1:]) <= 1000
    assert Flag.OVER_LIMITS in [problem.flag for problem in found.problems]


@pytest.mark.parametrize(
    "content_type",
    [
        b"Content-Type: multipart/mixed; boundary=bar; boundary=foo",
        b"Content-Type: multipart/mixed; boundary=foo; boundary=bar",
        b"Content-Type: multipart/mixed; boundary=bar\r\nContent-Type: multipart/mixed; boundary=foo",
        b"Content-Type: multipart/mixed; boundary=bar\r\nContent-Disposition: inline; boundary=foo",
        b"Content-Type: multipart/mixed; boundary*0=f; boundary*1=oo",
        b"Content-Type: multipart/mixed; boundary*=us-ascii''%66oo",
        b'Content-Type: multipart/mixed; boundary="foo',
        b"Content-Type: multipart/mixed; boundary=foo(comment)",
        b"Content-Type: multipart/mixed, boundary=foo",
        b"Content-Type: multipart/mixed; boundary foo",
        b"Content-Type: multipart/mixed",
        b"Content-Type: text/plain; boundary=foo",
        b"Content-Type(x): multipart/mixed; boundary=foo",
        b"Content-Type\0: multipart/mixed; boundary=foo",
        b"Content-Type multipart/mixed; boundary=foo",
        b"junk\r\nContent-Type: multipart/mixed; boundary=foo",
        b"\r\nContent-Type: multipart/mixed; boundary=foo",
        b"X-Nothing: here",
    ],
)
def test_however_the_structure_is_hidden_it_is_found(content_type: bytes) -> None:
    """The message is ambiguous, and what is hidden stands among the leaves that a scanner is given."""
    found = walked(_mail(content_type))
    assert ambiguities(found)
    assert any(octets == _HIDDEN and entity.is_suspect for entity, octets in leaves(found)), ambiguities(found)


@pytest.mark.parametrize(
    "encoding", [b'"base64"', b"base64;", b"base 64", b"x-base64", b"(c) base64", b"7bit base64", b"unheard-of", b""]
)
def test_however_the_encoding_is_spelled_it_is_decoded(encoding: bytes) -> None:
    """What may be base64 is decoded, and given to the scanner."""
    found = walked(_mail(encoding=b"Content-Transfer-Encoding: " + encoding))
    assert any(octets == _HIDDEN and entity.is_suspect for entity, octets in leaves(found))


@pytest.mark.parametrize("kind", [b"message/rfc822", b"message/global", b"multipart/mixed; boundary=foo"])
def test_encoded_containers_are_opened(kind: bytes) -> None:
    """A message or multipart in base64 is read all the same, and its leaves are suspect."""
    inner = _mail() if kind.startswith(b"message") else _mail().partition(b"\r\n\r\n")[2]
    found = walked(
        b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(inner)
    )
    assert any(octets == _HIDDEN and entity.is_suspect for entity, octets in leaves(found))
    assert ambiguities(found) == ["encoded multipart or message"]
