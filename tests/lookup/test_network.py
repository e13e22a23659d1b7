# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a client is in one of some networks."""

import ipaddress
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.list_file import FileUse, ListKind
from milterguard.config.list_reader import read_list
from milterguard.lookup.live_file import LiveFiles
from milterguard.lookup.network import Networks, address_of


@pytest.mark.parametrize(
    ("entries", "address", "is_meant"),
    [
        (["192.0.2.0/24"], "192.0.2.7", True),
        (["192.0.2.0/24"], "192.0.3.7", False),
        (["192.0.2.7"], "192.0.2.7", True),
        (["!192.0.2.7", "192.0.2.0/24"], "192.0.2.7", False),
        (["!192.0.2.7", "192.0.2.0/24"], "192.0.2.8", True),
        (["192.0.2.0/24", "!192.0.2.7"], "192.0.2.7", True),
        (["!!192.0.2.7"], "192.0.2.7", True),
        (["!192.0.2.7"], "192.0.2.8", False),
        (["0.0.0.0/0"], "192.0.2.7", True),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["::/0"], "192.0.2.7", False),
        (["::/0"], "::ffff:192.0.2.7", False),
        (["192.0.2.0/24"], "::ffff:192.0.2.7", True),
        (["2001:db8::/32"], "IPv6:2001:db8::1", True),
        (["10.0.0.0/255.0.0.0"], "10.1.2.3", True),
        (["192.0.2.7", "!192.0.2.7"], "192.0.2.7", True),
        (["0.0.0.0/0"], "unknown", False),
        (["0.0.0.0/0"], "", False),
        ([], "192.0.2.7", False),
        (["file:/etc/passwd", "192.0.2.7"], "192.0.2.7", True),
    ],
)
def test_the_first_entry_decides(entries: Sequence[str], address: str, is_meant: bool) -> None:
    """With ! that the address is not meant; none of them, neither."""
    assert Networks(entries).hold(address_of(address)) is is_meant


@pytest.mark.parametrize(
    ("content", "entries", "is_meant"),
    [
        ("192.0.2.0/24", ["FILE"], True),
        ("!192.0.2.7\n192.0.2.0/24", ["FILE"], False),
        ("192.0.2.0/24", ["!192.0.2.7", "FILE"], False),
        ("!192.0.2.7", ["192.0.2.0/24", "FILE"], True),
        ("!192.0.2.7", ["FILE", "192.0.2.0/24"], False),
        ("192.0.2.7", ["!FILE", "192.0.2.0/24"], False),
        ("!192.0.2.7", ["!FILE"], True),
        ("", ["FILE", "192.0.2.7"], True),
    ],
)
def test_a_file_stands_where_it_is_named(tmp_path: Path, content: str, entries: Sequence[str], is_meant: bool) -> None:
    """Its entries in their order between those of the list."""
    path = tmp_path / "networks"
    path.write_text(content)
    files = LiveFiles([read_list(FileUse(str(path), ListKind.NETWORKS))])
    networks = Networks([each.replace("FILE", f"file:{path}") for each in entries], files=files)
    assert networks.hold(address_of("192.0.2.7")) is is_meant
    assert networks


_NETWORK = st.builds(
    lambda number, length: str(ipaddress.ip_network((number << 29, length), strict=False)),
    st.integers(0, 7),
    st.integers(0, 32),
)


@given(st.lists(st.tuples(_NETWORK, st.booleans()), max_size=8), st.integers(0, 2**32 - 1))
def test_it_is_as_if_one_was_tried_after_the_other(entries: list[tuple[str, bool]], number: int) -> None:
    """However they are looked for."""
    address = ipaddress.IPv4Address(number & 0xE0000000)
    expected = next((not no for text, no in entries if address in ipaddress.ip_network(text)), False)
    assert Networks(f"!{text}" if no else text for text, no in entries).hold(address) is expected


@given(st.text())
def test_whatever_an_mta_says_is_no_error(text: str) -> None:
    """What is no address is nowhere."""
    Networks(["::/0", "0.0.0.0/0"]).hold(address_of(text))


def test_a_hundred_thousand_networks_are_a_moment(tmp_path: Path) -> None:
    """Read in seconds on the slowest machine, looked up in microseconds."""
    path = tmp_path / "many"
    path.write_text("".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(100_000)))
    started = time.process_time()
    files = LiveFiles([read_list(FileUse(str(path), ListKind.NETWORKS))])
    networks = Networks(["127.0.0.0/8", f"file:{path}"], files=files)
    assert time.process_time() - started < 10
    addresses = [address_of(f"10.0.{n >> 8}.{n & 255}") for n in range(10_000)]
    started = time.process_time()
    assert all(networks.hold(each) for each in addresses)
    assert time.process_time() - started < 1
