# SPDX-License-Identifier: GPL-3.0-or-later
"""A message is taken apart: MIME here, archives in the sealed child, in one tree."""

import gc
import gzip
import io
import os
import threading
import time
import zipfile
from base64 import encodebytes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import libarchive
import pytest

from milterguard.config.settings import Parts
from milterguard.core.message import Field, Message
from milterguard.core.part import Flag, Part
from milterguard.errors import CheckUnavailable, ContentError
from milterguard.unpack.box import Box
from milterguard.unpack.heap import Heap
from milterguard.unpack.member import Member, Request
from milterguard.unpack.opened import Leaf, Opened
from milterguard.unpack.opener import Opener, Unopened
from milterguard.unpack.told import Told
from tests.core.build import Octets, message
from tests.fakes.content import Arriving
from tests.unpack.examined import tarred

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
    return parts_of(Opener(settings or Parts(), box, gives_all=gives_all), about, deadline=time.monotonic() + 120)


def parts_of(opener: Opener, about: Message, *, deadline: float) -> Opened:
    found = opener.begin(about, deadline=deadline).opened(may_wait=True)
    assert found is not None
    return found


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
    with pytest.raises(CheckUnavailable, match="parts: closed"):
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


def test_archives_as_deep_as_allowed_are_opened(box: Box) -> None:
    """Each too large to be held in memory: descriptors suffice on every level, of zips and of tars."""
    noise = os.urandom(300_000)
    levels = Parts().max_archive_depth - 1
    zips = tars = noise
    for _ in range(levels):
        zips = zipped(("next", zips))
    for _ in range(levels // 2):
        tars = gzip.compress(tarred({"next": tars}), 1)
    for archive in (zips, tars):
        found = opened(box, mail(("a.bin", archive)))
        assert found.tree[-1].digest == sha256(noise).hexdigest()
        assert all(part.flags == frozenset() for part in found.tree)


def test_libmagic_is_asked_behind_the_seal(box: Box) -> None:
    """Its database was read before: what our own signatures do not know is named all the same."""
    font = b"OTTO\x00\x0a\x00\x80\x00\x03\x00\x20CFF " + bytes(100)
    access = b"\x00\x01\x00\x00Standard Jet DB\x00" + bytes(100)
    found = opened(box, mail(("a.zip", zipped(("a.mdb", access), ("b.otf", font)))))
    assert found.tree[-2].kinds == ("mdb",)


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
        Opener(Parts(), box).begin(late, deadline=time.monotonic() + 0.1)


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


def test_a_lie_about_a_digest_hides_nothing() -> None:
    """A sealed process that was taken over names the digest of a later attachment: that is scanned all the same."""
    box = Box(processes=1, memory_bytes=2**28, cpu_seconds=5, examiner=f"{EXAMINERS}:examine")
    try:
        about = mail(("lie_about_digest", zipped(("c", b"C"))), ("b.bin", b"EVIL"))
        found = opened(box, about, gives_all=True)
    finally:
        box.close()
    assert sorted(octets(leaf) for leaf in found.leaves if leaf.is_attachment)[:1] == [b"EVIL"]
    assert tree(found)["1/2/1"].digest == sha256(b"harmless").hexdigest()
    assert {part.digest for part in found.tree if part.digest} >= {sha256(b"EVIL").hexdigest()}


def test_a_sealed_process_that_repeats_itself_is_heard_in_linear_time(tmp_path: Path) -> None:
    """Ten thousand times something new about the same thing; what one thing may be is bounded."""
    told = Told(Heap(str(tmp_path)))
    began = time.process_time()
    for number in range(10_000):
        told.tell(Member((), kinds=tuple(f"k{number}.{each}" for each in range(32))))
    assert time.process_time() - began < 2
    assert len(told.members[()].kinds) == 32


def test_time_that_a_message_takes_is_a_limit() -> None:
    """Eight attachments, each of them endless: all are over limits, within the deadline."""
    box = Box(processes=2, memory_bytes=2**28, cpu_seconds=1, examiner=f"{EXAMINERS}:examine")
    about = mail(*[("compute", zipped(("c", bytes([number])))) for number in range(8)])
    began = time.monotonic()
    try:
        found = parts_of(Opener(Parts(), box), about, deadline=began + 4)
    finally:
        box.close()
    assert time.monotonic() - began < 4
    flagged = [part for part in found.tree if Flag.OVER_LIMITS in part.flags]
    assert len(flagged) == 8
    assert {part.detail for part in flagged} == {"out of time"}
    assert len([leaf for leaf in found.leaves if leaf.is_suspect]) == 8


def test_time_that_others_take_is_a_failure() -> None:
    """Nothing is known about the message then; once the others are done it is opened."""
    box = Box(processes=1, memory_bytes=2**28, cpu_seconds=20, examiner=f"{EXAMINERS}:examine")
    at_work = threading.Event()

    class Sink:
        def tell(self, member: Member) -> None:
            at_work.set()

        def give(self, block: bytes) -> None:
            raise AssertionError

    leaf = os.memfd_create("leaf")
    request = Request(names=("compute_after_member",))
    about = mail(("look", zipped(("c", b"C"))))
    try:
        box.seals(deadline=time.monotonic() + 30)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(box.open, leaf, request, deadline=time.monotonic() + 4, sink=Sink())
            assert at_work.wait(30)
            with pytest.raises(CheckUnavailable, match="others"):
                parts_of(Opener(Parts(), box), about, deadline=time.monotonic() + 1)
            assert first.result().trouble == "out of time"
        assert opened(box, about).tree[-1].is_member
    finally:
        os.close(leaf)
        box.close()


def test_what_a_first_look_came_to_is_not_lost_in_a_second(tmp_path: Path) -> None:
    """Where there is no time for that, names are still there to be banned."""
    heap = Heap(str(tmp_path))
    first, second = Told(heap), Told(heap)
    for path, name in (((), ""), ((1,), "a"), ((1, 1), "evil.exe")):
        first.tell(Member(path, names=(name,), flags=frozenset({Flag.OVER_LIMITS})))
    second.tell(Member((1,), names=("a",)))
    second.complete(first)
    assert list(second.members) == [(1,), (), (1, 1)]
    assert second.members[1,].flags == {Flag.OVER_LIMITS}


def test_nothing_is_left_open(box: Box) -> None:
    """Descriptors are given back with the last who refers to them."""
    opened(box, mail(("a.zip", zipped(("c", b"C")))), gives_all=True)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(20):
        opened(box, mail(("a.zip", zipped(("c", b"C")))), gives_all=True)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) <= before + 1


@pytest.mark.parametrize(
    "octets",
    [
        b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n",
        b"\x30\x82\x01\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03" + bytes(99),
    ],
    ids=["PGP", "S/MIME"],
)
def test_what_is_encrypted_for_its_reader_is_unchecked(box: Box, octets: bytes) -> None:
    """Nobody on the way can look into it; a signature is nothing of that kind."""
    found = opened(
        box,
        mail(
            ("a.bin", octets), ("smime.p7s", octets.replace(b"\x07\x03", b"\x07\x02").replace(b"MESSAGE", b"SIGNATURE"))
        ),
    )
    assert [Flag.ENCRYPTED in part.flags for part in found.tree if part.names] == [True, False]


def test_what_calls_itself_an_archive_and_is_none_is_unchecked(box: Box) -> None:
    """As an attachment and as a member; the scanner gets it on its own."""
    found = opened(box, mail(("a.rar", b"\1\2\3 no rar"), ("b.zip", zipped(("c.7z", b"\1\2\3 no 7z")))))
    flagged = {part.names: part.detail for part in found.tree if Flag.UNDECODABLE in part.flags}
    assert set(flagged) == {("a.rar",), ("c.7z",)}
    assert all("its name is an archive's" in detail for detail in flagged.values())
    assert b"\1\2\3 no rar" in [octets(leaf) for leaf in found.leaves if leaf.is_suspect]


def test_who_may_not_wait_comes_as_far_as_a_sealed_process(box: Box) -> None:
    """And goes on from there: no leaf is decoded twice, nothing is missing."""
    about = mail(("a.txt", b"A"), ("b.zip", zipped(("c.txt", b"C"))), ("d.zip", zipped(("e.txt", b"E"))))
    work = Opener(Parts(), box).begin(about, deadline=time.monotonic() + 30)
    assert work.opened(may_wait=False) is None
    assert work.opened(may_wait=False) is None
    found = work.opened(may_wait=True)
    assert found is not None
    assert found.tree == opened(box, about).tree
    assert len(found.leaves) == len(opened(box, about).leaves)


def test_who_need_not_wait_is_told_at_once(box: Box) -> None:
    """Most mail is like that."""
    about = mail(("a.txt", b"A"), ("b.png", b"\x89PNG\r\n\x1a\n" + bytes(100)))
    assert Opener(Parts(), box).begin(about, deadline=time.monotonic() + 30).opened(may_wait=False) is not None


def test_what_is_given_up_leaves_nothing_open(box: Box) -> None:
    """The next leaf's octets were in a file."""
    before = open_files()
    work = Opener(Parts(), box).begin(mail(("b.zip", zipped(("c.txt", b"C")))), deadline=time.monotonic() + 30)
    assert work.opened(may_wait=False) is None
    work.close()
    work.close()
    assert open_files() == before


def test_where_nobody_looks_inside_there_is_nothing() -> None:
    """And nothing to close."""
    opener = Unopened()
    assert opener.begin(mail(("a.zip", b"")), deadline=0).opened(may_wait=False).tree == ()
    opener.close()


def open_files() -> int:
    gc.collect()  # what other tests have left would be closed in between
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def encrypted(octets: bytes, password: str) -> bytes:
    """Return a zip whose one member is encrypted in the traditional way."""
    made = io.BytesIO()
    with libarchive.custom_writer(
        made.write, "zip", options="zip:encryption=traditional", passphrase=password
    ) as archive:
        archive.add_file_from_memory("evil.txt", len(octets), octets)
    return made.getvalue()
