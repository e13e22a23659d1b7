# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypted Office documents: told, and opened where the password is known."""

import io
import zipfile

import msoffcrypto
import pytest

from milterguard.core.part import Flag
from milterguard.unpack.document import ole, password
from tests.unpack.document.cfb import compound
from tests.unpack.document.looking import look_at

TYPES = b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def plain() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("[Content_Types].xml"), TYPES)
        archive.writestr(zipfile.ZipInfo("word/document.xml"), b"<w:document/>" * 500)
    return out.getvalue()


def encrypted(word: str) -> bytes:
    out = io.BytesIO()
    msoffcrypto.OfficeFile(io.BytesIO(plain())).encrypt(word, out)
    return out.getvalue()


@pytest.fixture(scope="module")
def secret() -> bytes:
    return encrypted("geheim")


def test_a_document_that_needs_a_password_is_told(secret: bytes) -> None:
    """Without words to try, and with wrong ones."""
    for words in ((), ("wrong", "Geheim")):
        seen = look_at(ole.look, secret, passwords=words)
        assert (seen.flags, seen.children) == ({Flag.ENCRYPTED}, [])


def test_it_is_opened_with_a_word_of_the_mail(secret: bytes) -> None:
    """Which is told, and clamd is given what comes out."""
    seen = look_at(ole.look, secret, passwords=("wrong", "geheim"))
    assert seen.flags == {Flag.ENCRYPTED, Flag.MAIL_PASSWORD}
    assert seen.children == [((), plain())]
    assert seen.hidden == 1


def test_what_excel_opens_by_itself_is_opened() -> None:
    """Nobody is asked for that password."""
    seen = look_at(ole.look, encrypted(password.EXCELS_OWN))
    assert (seen.flags, seen.children, seen.hidden) == (set(), [((), plain())], 1)


@pytest.mark.parametrize(
    "xml", [b"<a><p:encryptedKey spinCount='9999999'/></a>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"]
)
def test_a_document_that_takes_too_long_is_not_tried(xml: bytes) -> None:
    """The rounds of hashing are the sender's choice, and so is what its entities expand to."""
    information = b"\4\0\4\0@\0\0\0" + xml
    octets = compound({"EncryptionInfo": information, "EncryptedPackage": b"x" * 5000})
    seen = look_at(ole.look, octets, passwords=("a",) * 50)
    assert (seen.flags, seen.children) == ({Flag.ENCRYPTED}, [])
