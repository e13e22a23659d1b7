# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever comes over the wire, no process dies and the others are served."""

import random
import socket
import struct
from pathlib import Path

from tests.fakes.mta import Mail
from tests.server.tree import Tree, running

COMMANDS = b"OCHMRTLNBEAQKUD"


def packet(chance: random.Random) -> bytes:
    """A packet that is sometimes nearly right."""
    command = bytes([chance.choice(COMMANDS)]) if chance.random() < 0.9 else chance.randbytes(1)
    data = chance.choice(
        [
            b"",
            chance.randbytes(chance.randrange(40)),
            b"<a@b.example>\0" * chance.randrange(4),
            b"X-Say\0virus\0",
            b"mx\0" + bytes([chance.choice(b"46LUZ")]) + b"\x10\x00192.0.2.1\0",
            struct.pack("!III", chance.randrange(9), chance.randrange(1 << 32), chance.randrange(1 << 32)),
            b"C" + b"{macro}\0value\0" * chance.randrange(300),
            b"\xff" * chance.randrange(70_000),
        ]
    )
    length = len(data) + 1 if chance.random() < 0.9 else chance.choice([0, 1, 5, 1 << 20, 0xFFFFFFFF])
    return struct.pack("!I", length) + command + data


def harass(tree: Tree, chance: random.Random) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(0.05)
        caller.connect(tree.path)
        try:
            if chance.random() < 0.8:
                caller.sendall(struct.pack("!I", 13) + b"O" + struct.pack("!III", 6, 0x1FF, 0x1FFFFF))
                caller.recv(1000)
            for _ in range(chance.randrange(20)):
                caller.sendall(packet(chance))
        except OSError:
            return


def test_random_packets_kill_nobody(tmp_path: Path) -> None:
    """300 connections of nonsense: the same workers still answer, and every second a message is right."""
    chance = random.Random(11)
    with running(tmp_path, workers=2) as tree:
        workers = tree.workers()
        for number in range(300):
            harass(tree, chance)
            if number % 50 == 0:
                with tree.call().greet() as mta:
                    assert mta.message(Mail(fields=[("X-Say", "virus")])).line.startswith("554")
        assert tree.workers() == workers, tree.log.read_text()
