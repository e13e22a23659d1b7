# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets are opened safely, with the right access, and leave nothing behind."""

import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from milterguard.config.settings import Server
from milterguard.errors import ConfigError
from milterguard.server.listen import open_listener, set_access
from tests.server.tree import free_port


def test_a_unix_socket_has_mode_and_group(tmp_path: Path) -> None:
    """As configured, whatever the umask; removed at the end."""
    group = grp.getgrgid(os.getgid()).gr_name
    path = tmp_path / "milter.sock"
    listener = open_listener(f"unix:{path}", Server(socket_mode=0o660, socket_group=group))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert path.group() == group
    assert not listener.socket.getblocking()
    set_access(listener, Server(socket_mode=0o600))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listener.close()
    listener.close()
    assert not path.exists()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    """Nobody listens on it any more."""
    path = tmp_path / "milter.sock"
    with socket.socket(socket.AF_UNIX) as former:
        former.bind(str(path))
    open_listener(f"unix:{path}", Server()).close()


def test_a_socket_in_use_stays(tmp_path: Path) -> None:
    """ConfigError, and the other one still listens."""
    path = tmp_path / "milter.sock"
    first = open_listener(f"unix:{path}", Server())
    with pytest.raises(ConfigError, match="in use"):
        open_listener(f"unix:{path}", Server())
    assert path.exists()
    first.close()


def test_what_is_not_a_socket_stays(tmp_path: Path) -> None:
    """A file with content is not ours to remove."""
    path = tmp_path / "precious"
    path.write_text("content")
    with pytest.raises(ConfigError, match="something else"):
        open_listener(f"unix:{path}", Server())
    assert path.read_text() == "content"


def test_a_path_that_somebody_else_made_anew_stays(tmp_path: Path) -> None:
    """Closing removes our socket only, not that of a successor."""
    path = tmp_path / "milter.sock"
    first = open_listener(f"unix:{path}", Server())
    path.rename(tmp_path / "moved")
    second = open_listener(f"unix:{path}", Server())
    first.close()
    assert path.exists()
    second.close()


@pytest.mark.parametrize(
    ("text", "server", "match"),
    [
        ("unix:/nowhere/at/all", Server(), "server.listen"),
        ("nonsense", Server(), "server.listen"),
        ("tls:1@127.0.0.1", Server(), "inet:, inet6: or unix:"),
        ("inet:25@192.0.2.1", Server(), "server.listen"),
        ("unix:{folder}/s", Server(socket_group="no-such-group"), "socket_group"),
    ],
)
def test_mistakes_are_configuration_errors(tmp_path: Path, text: str, server: Server, match: str) -> None:
    """Each names the key; nothing is left behind."""
    with pytest.raises(ConfigError, match=match):
        open_listener(text.format(folder=tmp_path), server)
    assert list(tmp_path.iterdir()) == []


def test_tcp_sockets_do_not_delay() -> None:
    """TCP_NODELAY, inherited by what is accepted."""
    port = free_port()
    listener = open_listener(f"inet:{port}@127.0.0.1", Server())
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = listener.socket.accept()
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        accepted.close()
    listener.close()


def test_ipv6_is_ipv6_only() -> None:
    """So that inet and inet6 may use the same port."""
    port = free_port()
    both = [open_listener(f"{text}", Server()) for text in (f"inet6:{port}@::", f"inet:{port}@0.0.0.0")]
    for listener in both:
        listener.close()
