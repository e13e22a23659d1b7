# SPDX-License-Identifier: GPL-3.0-or-later
"""The notation of sockets: what is read, what is written again, what is refused and in which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milterguard.config.socket import SocketKind, SocketSpec


@pytest.mark.parametrize(
    ("text", "spec", "written"),
    [
        ("inet:8899@127.0.0.1", SocketSpec(SocketKind.INET, "127.0.0.1", 8899), "inet:8899@127.0.0.1"),
        ("inet:25@mail.example.com", SocketSpec(SocketKind.INET, "mail.example.com", 25), "inet:25@mail.example.com"),
        ("inet:65535@0.0.0.0", SocketSpec(SocketKind.INET, "0.0.0.0", 65535), "inet:65535@0.0.0.0"),
        ("inet6:8899@::1", SocketSpec(SocketKind.INET6, "::1", 8899), "inet6:8899@::1"),
        ("inet6:8899@[::1]", SocketSpec(SocketKind.INET6, "::1", 8899), "inet6:8899@::1"),
        ("inet6:1@2001:DB8:0::1", SocketSpec(SocketKind.INET6, "2001:db8::1", 1), "inet6:1@2001:db8::1"),
        ("unix:/run/a.sock", SocketSpec(SocketKind.UNIX, path="/run/a.sock"), "unix:/run/a.sock"),
        ("unix:/run/a@b:c", SocketSpec(SocketKind.UNIX, path="/run/a@b:c"), "unix:/run/a@b:c"),
        ("tls:783@spam_1", SocketSpec(SocketKind.TLS, "spam_1", 783), "tls:783@spam_1"),
        ("tls:783@::1", SocketSpec(SocketKind.TLS, "::1", 783), "tls:783@::1"),
        (" inet:1@h ", SocketSpec(SocketKind.INET, "h", 1), "inet:1@h"),
    ],
)
def test_sockets_are_read_and_written(text: str, spec: SocketSpec, written: str) -> None:
    """A socket is read from its notation and written in one canonical form that reads the same."""
    assert SocketSpec.parse(text) == spec
    assert str(spec) == written
    assert SocketSpec.parse(written) == spec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "inet:PORT@HOST, inet6:PORT@HOST, unix:/PATH or tls:PORT@HOST"),
        ("127.0.0.1:8899", "inet:PORT@HOST, inet6"),
        ("INET:8899@127.0.0.1", "inet:PORT@HOST, inet6"),
        ("local:/run/x", "inet:PORT@HOST, inet6"),
        ("inet:127.0.0.1:8899", "inet:8899@127.0.0.1 (the port comes first here)"),
        ("inet:8899", "inet:PORT@HOST"),
        ("inet:8899@", "an address or a host name behind @"),
        ("inet:8899@bad host", "an address or a host name behind @"),
        ("inet:8899@-h", "an address or a host name behind @"),
        ("inet:8899@127.0.0.300", "an address or a host name behind @"),
        ("inet:8899@" + "a." * 127 + "abc", "an address or a host name behind @"),
        ("inet:0@127.0.0.1", "a port from 1 to 65535"),
        ("inet:65536@127.0.0.1", "a port from 1 to 65535"),
        ("inet:-1@127.0.0.1", "a port from 1 to 65535"),
        ("inet:٣@127.0.0.1", "a port from 1 to 65535"),
        ("inet:smtp@127.0.0.1", "a port from 1 to 65535"),
        ("inet:8899@::1", "IPv6 is written inet6:PORT@HOST"),
        ("inet6:8899@127.0.0.1", "IPv4 is written inet:PORT@HOST"),
        ("unix:run/x", "an absolute path"),
        ("unix:", "an absolute path"),
        ("unix:/a\0b", "an absolute path"),
        ("unix:/" + "a" * 107, "at most 107 octets"),
    ],
)
def test_wrong_sockets_say_what_was_expected(text: str, expected: str) -> None:
    """Text that is no socket is refused, and the refusal says what would have been right."""
    with pytest.raises(ValueError) as refusal:
        SocketSpec.parse(text)
    assert expected in str(refusal.value)


@given(st.one_of(st.text(), st.text().map("inet:".__add__), st.text().map("inet6:1@".__add__)))
def test_any_text_is_a_socket_or_a_value_error(text: str) -> None:
    """Whatever the text: a socket that reads the same when written, or ValueError."""
    try:
        spec = SocketSpec.parse(text)
    except ValueError:
        return
    assert SocketSpec.parse(str(spec)) == spec
