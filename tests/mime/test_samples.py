# SPDX-License-Identifier: GPL-3.0-or-later
"""What others wrote to get past a mail filter."""

import pytest

from tests.data import evasions, oddities
from tests.mime.message import ambiguities, leaves, walked


@pytest.mark.parametrize("name", evasions())
def test_samples_of_clamav_are_ambiguous_and_seen_through(name: str) -> None:
    """The sample is ambiguous, and the program that it hides stands among the leaves by its name."""
    found = walked(evasions()[name])
    hidden = [entity for entity, octets in leaves(found) if octets.startswith(b"MZ")]
    assert ambiguities(found)
    assert any("clam.exe" in entity.names for entity in hidden)


@pytest.mark.parametrize("name", oddities("hide-content"))
def test_valid_but_unusual_content_is_seen(name: str) -> None:
    """The archive stands among the leaves, as it is."""
    hidden = [entity for entity, octets in leaves(walked(oddities("hide-content")[name])) if octets[:4] == b"PK\3\4"]
    assert hidden
    assert any("eicar.zip" in entity.names for entity in hidden)


@pytest.mark.parametrize("name", oddities("hide-filename"))
def test_valid_but_unusual_names_are_seen(name: str) -> None:
    """The name that some program shows is among the names, where the message holds one at all."""
    raw = oddities("hide-filename")[name]
    names = {one for entity in walked(raw).entities for one in entity.names}
    assert "file.zip" in names or not (b"file.zip" in raw or b"file.%7A" in raw)
    assert names
