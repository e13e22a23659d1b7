# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the octets, the walk ends with a tree."""

from hypothesis import given, settings
from hypothesis import strategies as st

from milterguard.mime.entity import Limits, Walked
from milterguard.mime.structure import walk
from tests.mime.goldens import cases
from tests.mime.message import cut

_SMALL = Limits(depth=5, parts=20, header_bytes=500, decoded_bytes=2000, delimiters=50)
_WORDS = st.sampled_from(
    [
        b"Content-Type: ",
        b"Content-Transfer-Encoding: base64\r\n",
        b"content-disposition: attachment; filename=x.exe\r\n",
        b"multipart/mixed; boundary=",
        b"message/rfc822",
        b"text/plain; name*0*=utf-8''a",
        b"foo",
        b'"',
        b"--foo\r\n",
        b"--foo--\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\0",
        b"=",
        b"QUJD",
        b"begin 644 x\r\n",
        b"=ybegin line=128 size=3 name=x\r\n",
        b"(This file must be converted with BinHex 4.0)\r\n:",
    ]
)
_OCTETS = st.lists(st.one_of(_WORDS, st.binary(max_size=8)), max_size=40).map(b"".join)
_CASES = [case.read_bytes() for case in cases()]


def _check(found: Walked) -> None:
    assert found.entities
    placements = [entity.placement for entity in found.entities]
    assert len(set(placements)) == len(placements)
    for index, entity in enumerate(found.entities):
        assert -1 <= entity.parent < index or (index == 0 and entity.parent == -1)
        above = found.entities[entity.parent].placement if entity.parent >= 0 else ""
        assert entity.placement.rpartition("/")[0] == above
        assert 0 <= entity.start <= entity.end <= len(found.sources[entity.source])
        if entity.is_leaf:
            first, second = b"".join(found.octets(index)), b"".join(found.octets(index))
            assert first == second


@given(_OCTETS, _OCTETS)
@settings(max_examples=300, deadline=None)
def test_arbitrary_octets_make_a_tree(header: bytes, body: bytes) -> None:
    """Entities form a tree with placements of their own, and ranges within the octets."""
    _check(walk(header, body))


@given(_OCTETS, _OCTETS)
@settings(max_examples=150, deadline=None)
def test_small_limits_are_kept(header: bytes, body: bytes) -> None:
    """However small the limits, there is a tree, and not much more of it than they allow."""
    found = walk(header, body, _SMALL)
    _check(found)
    assert len(found.entities) <= 2 * _SMALL.parts


@given(st.sampled_from(_CASES), st.data())
@settings(max_examples=300, deadline=None)
def test_mutated_messages_make_a_tree(raw: bytes, data: st.DataObject) -> None:
    """Octets put in, taken out and repeated anywhere in a real structure do no harm."""
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, min(len(raw), start + 60)))
        raw = raw[:start] + data.draw(st.one_of(_WORDS, st.just(b""), st.just(raw[start:end] * 2))) + raw[end:]
    _check(walk(*cut(raw)))
