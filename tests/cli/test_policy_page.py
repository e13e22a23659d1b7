# SPDX-License-Identifier: GPL-3.0-or-later
"""The twelve cases of docs/policy.md, each as it stands on the page, and the example of docs/testing-policy.md."""

import base64
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Program
from tests.pages import FENCE
from tests.unpack.document.test_office import PLAIN, TYPES, packed

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "policy.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\d+)\. .*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
OURS = """
[local]
domains = [".example.com", ".school.example", ".strict.example", ".customer.example"]
[store]
url = ""
"""


def test_there_are_twelve() -> None:
    """Each with settings and with cases."""
    assert list(SECTIONS) == [str(number) for number in range(1, 13)]


@pytest.mark.parametrize("number", SECTIONS)
def test_a_case_holds_as_it_stands_on_the_page(number: str, milterguard: Program) -> None:
    """Its settings give what its policy tests expect."""
    played(milterguard, SECTIONS[number])


def test_the_example_of_the_manual_holds(milterguard: Program) -> None:
    """As it is printed there."""
    played(milterguard, (DOCS / "testing-policy.md").read_text(encoding="utf-8"))


def test_forged_mail_as_the_page_has_it(milterguard: Program) -> None:
    """The section of docs/authentication.md about it."""
    page = (DOCS / "authentication.md").read_text(encoding="utf-8")
    played(milterguard, page.partition("## Forged mail")[2].partition("\n## ")[0])


def played(program: Program, text: str) -> None:
    blocks = [match["text"] for match in FENCE.finditer(text) if match["kind"] == "toml"]
    cases = [block for block in blocks if "[[case]]" in block]
    program.configuration.write_text(OURS + "".join(block for block in blocks if block not in cases))
    (program.folder / "macros.eml").write_bytes(macros())
    file = program.folder / "cases.toml"
    file.write_text("".join(cases))
    result = program("test", str(file))
    assert cases
    assert result.exit_code == 0, result.output


def macros() -> bytes:
    """A message with a document that has macros which do not start themselves."""
    document = base64.encodebytes(packed({"[Content_Types].xml": TYPES, "word/vbaProject.bin": PLAIN}))
    return (
        b"From: a@sender.example\nTo: user@example.com\nDate: Sat, 21 Nov 2026 12:00:00 +0000\nSubject: figures\n"
        b"MIME-Version: 1.0\nContent-Type: application/octet-stream; name=figures.doc\n"
        b"Content-Transfer-Encoding: base64\n\n" + document
    )
