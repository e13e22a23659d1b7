# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the code's form, as far as a program can see it.

*Source:* docs/contributing.md, "Code" and "Tests".
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FOLDERS = ("milterguard", "tests", "docs", "etc", "docker")
SPDX = "# SPDX-License-Identifier: GPL-3.0-or-later\n"
LONGEST = 300
LONGER = {"milterguard/server/session.py": 400, "milterguard/config/settings.py": 400}
# A class round one letter keeps these lines from finding themselves.
_UNFINISHED = re.compile(r"\b(?:TOD[O]|FIXM[E])\b")
_MACHINE = re.compile(r"(?<![\w./-])/(?:wor[k]\b(?!-)|(?:hom[e]|User[s])/[a-z]|roo[t]/[.\w])")


def names(*suffixes: str) -> Iterator[str]:
    """Yield the files of the project with one of these suffixes, or with any."""
    tops = [path for path in REPOSITORY.iterdir() if path.is_file() and not path.name.startswith(".")]
    below = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*") if path.is_file()]
    for path in (*tops, *below):
        if "__pycache__" not in path.parts and (not suffixes or path.suffix in suffixes):
            yield str(path.relative_to(REPOSITORY))


def text(name: str) -> str:
    return (REPOSITORY / name).read_bytes().decode("utf-8", "replace")


def is_too_long(name: str) -> bool:
    return name.startswith("milterguard/") and text(name).count("\n") > LONGER.get(name, LONGEST)


def has_no_licence(name: str) -> bool:
    return not text(name).startswith(SPDX)


def has_no_docstring(name: str) -> bool:
    return ast.get_docstring(ast.parse(text(name))) is None


def factless(name: str) -> list[str]:
    """Return the tests in a module that do not state their fact in one line."""
    functions = [node for node in ast.walk(ast.parse(text(name))) if isinstance(node, ast.FunctionDef)]
    tests = [each for each in functions if each.name.startswith("test_")]
    return [each.name for each in tests if len((ast.get_docstring(each) or "").splitlines()) != 1]


def is_unfinished(name: str) -> bool:
    return bool(_UNFINISHED.search(text(name)))


def knows_a_machine(name: str) -> bool:
    return bool(_MACHINE.search(text(name)))


@pytest.mark.parametrize(
    "is_broken", [is_too_long, has_no_licence, has_no_docstring], ids=lambda rule: str(rule.__name__)
)
def test_every_module_keeps_the_rules(is_broken: Callable[[str], bool]) -> None:
    """No module is too long; each begins with its licence and says what it is."""
    modules = list(names(".py"))
    assert "milterguard/guard.py" in modules
    assert [name for name in modules if is_broken(name)] == []


def test_every_test_states_its_fact() -> None:
    """In one line below its name."""
    without = {name: found for name in names(".py") if name.startswith("tests/") and (found := factless(name))}
    assert without == {}


@pytest.mark.parametrize("is_broken", [is_unfinished, knows_a_machine], ids=lambda rule: str(rule.__name__))
def test_no_file_holds_what_belongs_elsewhere(is_broken: Callable[[str], bool]) -> None:
    """Neither a reminder of what is still to be done nor a path of the machine it was written on."""
    assert [name for name in names() if is_broken(name)] == []


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("see /wor" + "k/main", True),
        ('"/hom' + 'e/alice"', True),
        ("`/roo" + "t/.cache`", True),
        ("not under `/root` or `/home`.", False),
        ("root:x:0:0:root:/root:/bin/sh", False),
        ("inet/work and ./work, /work-shop", False),
    ],
)
def test_paths_of_a_machine_are_known(line: str, is_one: bool) -> None:
    """The rule finds what it is for, and not its own likes."""
    assert bool(_MACHINE.search(line)) is is_one
