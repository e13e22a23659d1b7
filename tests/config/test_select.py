# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked is bound, never pasted in."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.select import RECIPIENT_PLACES, NoSelectError, parsed


def _filled(text: str, **values: object) -> tuple[str, dict[str, object]]:
    return parsed(text, places="kalued", needed="kalued").filled(values)


def test_places_become_parameters() -> None:
    """A list as many as it has values, filled up to eight."""
    statement, parameters = _filled("SELECT x FROM y WHERE z IN (%k) AND a = %d", k=("p", "q"), d="example.com")
    names = ", ".join(f":p_k{number}" for number in range(8))
    assert statement == f"SELECT x FROM y WHERE z IN ({names}) AND a = :p_d"
    assert parameters == {"p_k0": "p", **{f"p_k{number}": "q" for number in range(1, 8)}, "p_d": "example.com"}


def test_an_empty_list_is_null() -> None:
    """``IN ()`` is no SQL."""
    _, parameters = _filled("SELECT x FROM y WHERE z IN (%k)", k=())
    assert set(parameters.values()) == {None}


def test_signs_that_are_no_places_stay() -> None:
    """Doubled percent signs are one, colons are no parameters."""
    statement, _ = _filled("SELECT '12:30%%', \"a%%b\", 7 %% 2, x::int FROM y WHERE z = %a", a="")
    assert statement == "SELECT '12\\:30%', \"a%b\", 7 % 2, x\\:\\:int FROM y WHERE z = :p_a"


@given(st.text(max_size=200))
def test_no_text_is_more_than_wrong(text: str) -> None:
    """It is a SELECT or it is said why not."""
    with suppress(NoSelectError):
        assert parsed(f"SELECT {text}", places=RECIPIENT_PLACES, needed=RECIPIENT_PLACES).parts[1::2]
