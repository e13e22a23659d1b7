# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole house: sink, scanners, Postfix and milterguard, wired as on a real machine, in one folder."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.daemons import Clamd, Milterguard, Postfix, Sink, Spamd, toml

STRANGER = {"ADDR": "198.51.100.7", "NAME": "mx.sender.example"}
"""XCLIENT attributes of a client that is not ours."""


@dataclass(frozen=True, slots=True)
class House:
    """Everything that runs. Mail goes in at ``postfix``, comes out at ``sink``."""

    folder: Path
    sink: Sink
    clamd: Clamd
    spamd: Spamd
    milterguard: Milterguard
    postfix: Postfix


@contextlib.contextmanager
def open_house(
    folder: Path,
    *,
    settings: toml.Table | None = None,
    eicar_only: bool = True,
    parameters: Mapping[str, str] | None = None,
    clamd: Clamd | None = None,
    spamd: Spamd | None = None,
) -> Iterator[House]:
    """Start all of it, hand it out, and stop what was started here, whatever happens.

    ``clamd`` and ``spamd`` may be running ones of somebody else; ``parameters`` are Postfix'.
    """
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Sink())
        clamd = clamd or stack.enter_context(Clamd(folder / "clamd", eicar_only=eicar_only))
        spamd = spamd or stack.enter_context(Spamd(folder / "spamd"))
        milter = f"unix:{folder}/milterguard/milter.sock"
        postfix = Postfix(
            folder / "postfix", sink_port=sink.port, milters=[milter], local_milters=[milter], parameters=parameters
        )
        milterguard = Milterguard(
            folder / "milterguard",
            clamd=clamd.socket,
            spamd=spamd.socket,
            release=postfix.socket,
            listen=milter,
            settings=settings,
        )
        milterguard.folder.mkdir(exist_ok=True)
        upgrade(milterguard)
        stack.enter_context(milterguard)
        stack.enter_context(postfix)
        yield House(folder, sink, clamd, spamd, milterguard, postfix)


def upgrade(milterguard: Milterguard) -> None:
    """Make the database, as an administrator does before the first start."""
    milterguard.prepare()
    done = milterguard.cli("db", "upgrade")
    assert done.returncode == 0, done.stderr
