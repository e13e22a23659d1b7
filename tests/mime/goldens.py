# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden files of the walker: a message, and beside it the tree that is found in it, headed by what it shows.

``python -m tests.mime.goldens`` writes the trees anew; look at the difference before it is committed.
"""

from pathlib import Path

from tests.mime.message import rendered, walked

FOLDER = Path(__file__).resolve().parents[1] / "cases" / "mime"


def cases() -> list[Path]:
    """Return the messages, in order."""
    return sorted(FOLDER.glob("*.eml"))


def intention(case: Path) -> str:
    """Return the first line of a case's tree: what it is there for."""
    return case.with_suffix(".tree").read_text().partition("\n")[0]


def tree(case: Path) -> str:
    """Return what the file beside a message is to hold."""
    return f"{intention(case)}\n\n{rendered(walked(case.read_bytes()))}"


def main() -> None:
    """Write every tree anew."""
    for case in cases():
        case.with_suffix(".tree").write_text(tree(case))


if __name__ == "__main__":
    main()
