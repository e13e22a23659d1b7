# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all tests: the private daemons, started once and only when a test asks for them.

A daemon that is not installed or does not start is a failure, never a skip: ``make setup`` installs them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import Clamd, Daemon, Mariadb, Postfix, Postgresql, Sink, Slapd, Spamd, private_folder
from tests.daemons.certificate import certificate
from tests.daemons.postfix import forget_leftovers

DAEMON_FIXTURES = {
    *("daemon_folder", "shared_clamd", "shared_spamd", "shared_sink", "shared_postfix"),
    *("shared_postgresql", "shared_mariadb", "shared_slapd"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs a real daemon, so that ``-m 'not daemons'`` is the fast run."""
    for item in items:
        if isinstance(item, pytest.Function) and not DAEMON_FIXTURES.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.daemons)


@pytest.fixture(scope="session")
def daemon_folder() -> Iterator[Path]:
    """Holds the shared daemons; not pytest's own, which is closed to other users and has a long name."""
    with private_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def shared_clamd(daemon_folder: Path) -> Iterator[Clamd]:
    with Clamd(daemon_folder / "clamd") as clamd:
        yield clamd


@pytest.fixture(scope="session")
def shared_spamd(daemon_folder: Path) -> Iterator[Spamd]:
    with Spamd(daemon_folder / "spamd") as spamd:
        yield spamd


@pytest.fixture(scope="session")
def shared_postgresql(daemon_folder: Path) -> Iterator[Postgresql]:
    with Postgresql(daemon_folder / "postgresql") as postgresql:
        yield postgresql


@pytest.fixture(scope="session")
def shared_mariadb(daemon_folder: Path) -> Iterator[Mariadb]:
    with Mariadb(daemon_folder / "mariadb") as mariadb:
        yield mariadb


@pytest.fixture(scope="session")
def shared_slapd(daemon_folder: Path) -> Iterator[Slapd]:
    with Slapd(daemon_folder / "slapd", certificate=certificate(daemon_folder / "slapd-tls")) as slapd:
        yield slapd


@pytest.fixture(scope="session")
def shared_sink(daemon_folder: Path) -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="session")
def milter_socket(daemon_folder: Path) -> str:
    """Where the shared Postfix looks for its milter; whatever a test starts there is asked."""
    return f"unix:{daemon_folder / 'milter.sock'}"


@pytest.fixture(scope="session")
def shared_postfix(daemon_folder: Path, shared_sink: Sink, milter_socket: str) -> Iterator[Postfix]:
    with Postfix(daemon_folder / "postfix", sink_port=shared_sink.port, milters=[milter_socket]) as postfix:
        yield postfix


@pytest.fixture
def clamd(shared_clamd: Clamd) -> Iterator[Clamd]:
    """A clamd that knows EICAR, for a test to do to it whatever it likes."""
    yield shared_clamd
    _make_well(shared_clamd)


@pytest.fixture
def spamd(shared_spamd: Spamd) -> Iterator[Spamd]:
    """A spamd with local rules and points on demand, for a test to do to it whatever it likes."""
    yield shared_spamd
    _make_well(shared_spamd)


@pytest.fixture
def postgresql(shared_postgresql: Postgresql) -> Iterator[Postgresql]:
    """A PostgreSQL, for a test to do to it whatever it likes."""
    yield shared_postgresql
    _make_well(shared_postgresql)


@pytest.fixture
def mariadb(shared_mariadb: Mariadb) -> Iterator[Mariadb]:
    """A MariaDB, for a test to do to it whatever it likes."""
    yield shared_mariadb
    _make_well(shared_mariadb)


def _make_well(server: Daemon) -> None:
    """Undo what a test did, at its end: the next one may ask for the shared daemon as it is."""
    server.resume()
    if not server.is_running:
        server.restart()


DIALECTS = (
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.daemons),
    pytest.param("mariadb", marks=pytest.mark.daemons),
)


@pytest.fixture(params=DIALECTS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind in its turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    server: Postgresql | Mariadb = request.getfixturevalue(request.param)
    return server.new_database()


@pytest.fixture
def slapd(shared_slapd: Slapd) -> Iterator[Slapd]:
    """A directory without accounts, for a test to do to it whatever it likes."""
    shared_slapd.clear()
    yield shared_slapd
    _make_well(shared_slapd)


@pytest.fixture
def sink(shared_sink: Sink) -> Sink:
    """The next hop of Postfix, empty."""
    shared_sink.clear()
    return shared_sink


@pytest.fixture
def postfix(shared_postfix: Postfix, sink: Sink) -> Iterator[Postfix]:
    """A Postfix that asks whoever listens on ``milter_socket``; its queue is empty."""
    yield shared_postfix
    forget_leftovers(shared_postfix)
