# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls itself an archive or a mail has to be one that is opened here."""

import pytest

from milterguard.unpack.misnamed import is_misnamed


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("a.rar", ("dat",)),
        ("a.RAR", ("asc",)),
        ("a.zip", ("pdf",)),
        ("a.zip ", ("image", "jpg")),
        ("a.7z", ("exe", "exe-ms")),
        ("a.tar.gz", ("asc",)),
        ("a.eml", ("html", "asc")),
        ("a.msg", ("zip",)),
    ],
)
def test_who_promises_an_archive_and_is_none_is_misnamed(name: str, kinds: tuple[str, ...]) -> None:
    """Its reader may know how to open it."""
    assert is_misnamed((name,), kinds)
    assert is_misnamed(("harmless.txt", name), kinds)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("a.zip", ("zip",)),
        ("a.rar", ("zip",)),
        ("a.jar", ("zip", "jar")),
        ("a.tgz", ("gz",)),
        ("a.zip", ("exe", "exe-ms", "zip")),
        ("a.zip", ("empty",)),
        ("a.zip", ()),
        ("a.eml", ("mail",)),
        ("a.msg", ("cdf-ms", "msg")),
        ("a.zip.asc", ("pgp", "pgp.enc")),
        ("a.zip", ("pgp", "pgp.enc")),
        ("a.txt", ("dat",)),
        ("zip", ("dat",)),
    ],
)
def test_others_are_not(name: str, kinds: tuple[str, ...]) -> None:
    """People rename archives into one another, and programs tell by the content."""
    assert not is_misnamed((name,), kinds)
