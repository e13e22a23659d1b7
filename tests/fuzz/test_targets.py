# SPDX-License-Identifier: GPL-3.0-or-later
"""The targets themselves, without atheris: a few hundred inputs each, the same at every run."""

import random

import pytest

from tests.data import evasions, oddities
from tests.fuzz.__main__ import NAMES
from tests.fuzz.targets import LONGEST_INPUT, TARGETS, timed

_INPUTS = 200
_LETTERS = b"ABab09+/-_=\r\n\t \0\x80:;\"()<>.%'*?M`"


def _octets(seed: int) -> bytes:
    """Return octets of several kinds: any, of few letters, or out of a message with some of them changed."""
    chance = random.Random(seed)
    length = chance.choice((0, 1, 7, 100, 3000))
    if seed % 3 == 0:
        return chance.randbytes(length)
    if seed % 3 == 1:
        return bytes(chance.choices(_LETTERS, k=length))
    samples = [*evasions().values(), *oddities("hide-content").values()]
    changed = bytearray(chance.choice(samples))
    for _ in range(chance.randrange(40)):
        changed[chance.randrange(len(changed))] = chance.choice(_LETTERS)
    return bytes(changed)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_any_octets(name: str) -> None:
    """Nothing is raised, and nothing takes long."""
    for seed in range(_INPUTS):
        timed(TARGETS[name], _octets(seed))


@pytest.mark.parametrize("unit", [b"\n", b"=", b"A", b"=\r", b"begin 644 a\n", b"\n:", b"AA==", b" \n", b"a\x90\xff"])
@pytest.mark.parametrize("name", TARGETS)
def test_the_longest_input_of_one_thing_over_and_over_takes_no_time(name: str, unit: bytes) -> None:
    """Where repetition is looked for again from each of its places, time is what tells."""
    timed(TARGETS[name], unit * (LONGEST_INPUT // len(unit)))


def test_the_runner_knows_every_target() -> None:
    """It does not import them: atheris must be there first."""
    assert set(NAMES) == set(TARGETS)
