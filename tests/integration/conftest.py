# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for tests of the whole: milterguard between the shared Postfix and the shared scanners."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.daemons import Milterguard, Postfix, private_folder
from tests.daemons.toml import Table


class Serve(Protocol):
    """Starts milterguard where the shared Postfix looks for it."""

    def __call__(self, settings: Table | None = None, *, clamd: str = "", spamd: str = "") -> Milterguard: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the real daemons."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.daemons)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for the daemons of one test: short enough for sockets, open to other users."""
    with private_folder() as folder:
        yield folder


@pytest.fixture
def serve(short_folder: Path, postfix: Postfix, milter_socket: str) -> Iterator[Serve]:
    """``serve({"policy": {…}}, clamd=clamd.socket)``: a running milterguard, stopped after the test.

    Released mail goes back through the listener with the milter, as on a real host.
    """
    with contextlib.ExitStack() as running:

        def start(settings: Table | None = None, *, clamd: str = "", spamd: str = "") -> Milterguard:
            milterguard = Milterguard(
                short_folder / "milterguard",
                clamd=clamd,
                spamd=spamd,
                release=postfix.socket,
                listen=milter_socket,
                settings=settings,
            )
            # pytest shows it when the test fails.
            running.callback(lambda: print(milterguard.log()))
            return running.enter_context(milterguard)

        yield start
