# SPDX-License-Identifier: GPL-3.0-or-later
"""A message is taken apart: MIME here, archives in the sealed child, in one tree."""

import io
import time
import zipfile
from base64 import encodebytes
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import libarchive
import pytest

from milterguard.config.settings import Parts
from milterguard.core.message import Field, Message
from milterguard.core.part import Flag, Part
from milterguard.errors import ContentError
from milterguard.unpack.box import Box, BoxError
from milterguard.unpack.opened import Leaf, Opened
from milterguard.unpack.opener import Opener, Unopened
from tests.core.build import Octets, message
from tests.fakes.content import Arriving

EXAMINERS = "tests.unpack.examiners"


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    made = Box(processes=2, memory_bytes=512 * 2**20, cpu_seconds=10)
    yield made
    made.close()


def mail(*attached: tuple[str, bytes], text: bytes = b"See there.") -> Message:
    parts = [b"Content-Type: text/plain\r\n\r\n" + text + b"\r\n"]
    for name, octets in attached:
        own = f'Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename="{name}"\r\n'
        coded = encodebytes(octets).replace(b"\n", b"\r\n")
        parts.append(own.encode() + b"Content-Transfer-Encoding: base64\r\n\r\n" + coded)
    body = b"".join(b"--b\r\n" + part for part in parts) + b"--b--\r\n"
    fields = (Field(b"MIME-Version", b" 1.0"), Field(b"Content-Type", b" multipart/mixed; boundary=b"))
    return replace(message(), fields=fields, content=Octets(body))


def zipped(*members: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in members:
            archive.writestr(name, octets)
    return made.getvalue()


def opened(box: Box, about: Message, settings: Parts | None = None, *, gives_all: bool = False) -> Opened:
    opener = Opener(settings or Parts(), box, gives_all=gives_all)
    return opener.open(about, deadline=time.monotonic() + 30)


def tree(found: Opened) -> dict[str, Part]:
    return {part.placement: part for part in found.tree}


def octets(leaf: Leaf) -> bytes:
    return b"".join(leaf.blocks())


def test_parts_and_members_stand_in_one_tree(box: Box) -> None:
    """Every parent before its children, each with names, kinds, size and digest."""
    inner = zipped(("letter.txt", b"Dear you,\r\n"))
    found = opened(box, mail(("a.zip", zipped(("b.zip", inner), ("c.txt", b"C")))))
    parts = tree(found)
    assert list(parts) == ["1", "1/1", "1/2", "1/2/1", "1/2/1/1", "1/2/2"]
    assert all(part.parent < index for index, part in enumerate(found.tree))
    assert parts["1/2"].names == ("a.zip",)
    assert parts["1/2/1"].kinds == ("zip",)
    assert parts["1/2/1"].is_member
    assert parts["1/2/1/1"].names == ("letter.txt",)
    assert (parts["1/2/2"].size, parts["1/2/2"].digest) == (1, sha256(b"C").hexdigest())


def test_a_message_without_archives_costs_no_process() -> None:
    """A box that could not even start one is not asked."""
    broken = Box(processes=1, memory_bytes=2**28, cpu_seconds=1, examiner=f"{EXAMINERS}:abort")
    broken.close()
    found = opened(broken, mail(("a.txt", b"text"), ("b.png", b"\x89PNG\r\n\x1a\n" + bytes(40))))
    assert [part.kinds for part in found.tree[1:]] == [("asc",), ("asc",), ("image", "png")]
    with pytest.raises(BoxError):
        opened(broken, mail(("a.zip", zipped(("b", b"")))))


def test_only_what_a_scanner_may_have_missed_is_suspect(box: Box) -> None:
    """Text is no attachment; an ordinary attachment is not suspect."""
    found = opened(box, mail(("a.zip", zipped(("c.txt", b"C")))))
    assert [(leaf.is_suspect, leaf.is_attachment) for leaf in found.leaves] == [(False, False), (False, True)]
    assert octets(found.leaves[0]) == b"See there."


def test_members_that_are_wanted_come_with_their_octets(box: Box) -> None:
    """As often as they are read."""
    found = opened(box, mail(("a.zip", zipped(("c.txt", b"C" * 100_000)))), gives_all=True)
    (leaf,) = [leaf for leaf in found.leaves if found.tree[leaf.index].names == ("c.txt",)]
    assert leaf.is_suspect
    assert octets(leaf) == octets(leaf) == b"C" * 100_000


def test_the_same_octets_are_given_once(box: Box) -> None:
    """And with the graver of two opinions."""
    found = opened(box, mail(("a.bin", b"same"), ("b.bin", b"same"), text=b"same"))
    (leaf,) = found.leaves
    assert leaf.is_attachment


def test_what_is_over_a_limit_is_flagged_and_given_piece_by_piece(box: Box) -> None:
    """So that what lies beside the bomb is scanned."""
    settings = Parts(max_unpacked_bytes=65536)
    found = opened(box, mail(("a.zip", zipped(("small", b"EVIL"), ("big", bytes(10_000_000))))), settings)
    parts = tree(found)
    assert any(Flag.OVER_LIMITS in part.flags for part in found.tree)
    assert all(leaf.is_suspect for leaf in found.leaves[1:])
    assert any(octets(leaf) == b"EVIL" for leaf in found.leaves)
    assert parts["1/2"].size


def test_many_archives_share_the_limits_of_the_message(box: Box) -> None:
    """The last of them may still take an eighth."""
    settings = Parts(max_members=16)
    archives = [(f"{number}.zip", zipped(*((f"{number}-{each}", b"x") for each in range(10)))) for number in range(4)]
    found = opened(box, mail(*archives), settings)
    flagged = [part for part in found.tree if Flag.OVER_LIMITS in part.flags]
    assert flagged
    assert len(found.tree) < 40 + 16


@pytest.mark.parametrize(
    ("examiner", "flag"), [("abort", Flag.UNDECODABLE), ("hoard", Flag.OVER_LIMITS), ("compute", Flag.OVER_LIMITS)]
)
def test_the_death_of_the_sealed_process_is_a_flag(examiner: str, flag: Flag) -> None:
    """The scanner gets the attachment, and the next message works."""
    box = Box(processes=1, memory_bytes=2**28, cpu_seconds=1, examiner=f"{EXAMINERS}:examine")
    try:
        for _ in range(2):
            found = opened(box, mail((examiner, zipped(("c", b"C"))), ("b.txt", b"B")))
            parts = tree(found)
            assert flag in parts["1/2"].flags
            assert parts["1/3"].flags == frozenset()
            assert [found.tree[leaf.index].placement for leaf in found.leaves if leaf.is_suspect] == ["1/2"]
    finally:
        box.close()


def test_a_file_in_a_text_and_members_do_not_get_the_same_place(box: Box) -> None:
    """Every placement is unique."""
    uuencoded = b"begin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n"
    found = opened(box, mail(("a.zip", zipped(("b", b"B"))), text=uuencoded))
    placements = [part.placement for part in found.tree]
    assert len(placements) == len(set(placements))


def test_content_that_never_comes_is_an_error(box: Box) -> None:
    """The check fails, the session answers 451."""
    late = replace(message(), content=Arriving(b"never complete"))
    with pytest.raises(ContentError):
        Opener(Parts(), box).open(late, deadline=time.monotonic() + 0.1)


def test_a_password_of_the_mail_opens_an_archive(box: Box) -> None:
    """When that is switched on; the archive stays marked as encrypted."""
    shut = encrypted(b"EVIL", "s3cret")
    about = mail(("a.zip", shut), text=b"The password is s3cret")
    closed = tree(opened(box, about))["1/2/1"]
    assert Flag.ENCRYPTED in closed.flags
    assert not closed.digest
    found = opened(box, about, Parts(password_attempts=5))
    flags = frozenset[Flag]().union(*(part.flags for part in found.tree))
    assert {Flag.ENCRYPTED, Flag.MAIL_PASSWORD} <= flags
    assert any(octets(leaf) == b"EVIL" for leaf in found.leaves)


def test_the_operators_passwords_come_first(box: Box) -> None:
    """One attempt is enough for them."""
    about = mail(("a.zip", encrypted(b"EVIL", "infected")), text=b"The password is wrong1")
    found = opened(box, about, Parts(password_attempts=1, passwords=("infected",)))
    assert any(octets(leaf) == b"EVIL" for leaf in found.leaves)


def test_nothing_is_left_open(box: Box) -> None:
    """Descriptors are given back with the last who refers to them."""
    opened(box, mail(("a.zip", zipped(("c", b"C")))), gives_all=True)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(20):
        opened(box, mail(("a.zip", zipped(("c", b"C")))), gives_all=True)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) <= before + 1


def test_where_nobody_looks_inside_there_is_nothing() -> None:
    """And nothing to close."""
    opener = Unopened()
    assert opener.open(mail(("a.zip", b"")), deadline=0).tree == ()
    opener.close()


def encrypted(octets: bytes, password: str) -> bytes:
    """Return a zip whose one member is encrypted in the traditional way."""
    made = io.BytesIO()
    with libarchive.custom_writer(
        made.write, "zip", options="zip:encryption=traditional", passphrase=password
    ) as archive:
        archive.add_file_from_memory("evil.txt", len(octets), octets)
    return made.getvalue()
