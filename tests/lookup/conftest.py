# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for tests of lookups."""

from collections.abc import Iterator

import pytest

from milterguard.config.ldap import Ldap
from milterguard.config.lookup import Lookup
from milterguard.config.settings import Settings
from milterguard.lookup.layer import Source
from milterguard.lookup.ldap import ldap_source
from tests.lookup.directory import OpenDirectory


@pytest.fixture
def open_directory() -> Iterator[OpenDirectory]:
    """``open_directory(settings)``: the source of these settings, closed after the test."""
    sources: list[Source] = []

    def make(ldap: Ldap) -> Source:
        source = ldap_source(Settings(lookup=Lookup(ldap=ldap)))
        assert source is not None
        sources.append(source)
        return source

    yield make
    for source in sources:
        source.close()
