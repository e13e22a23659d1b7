# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file is by its octets: amavis' short names, all that fit, from its first and last octets.

Pure and fast, so that every part of every message can be asked; libmagic's opinion on the rest is
``magic_kind``'s, in the sealed child.

*Source:* amavis ``@map_full_type_to_short_type_maps`` for the names; ``signature`` for the octets.

*Errors:* none; what is unknown is ``dat``.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from milterguard.unpack.signature import BEGINNINGS, CMS, INSIDE, OLE_STREAMS, ZIP_NAMES

HEAD_BYTES = 40960
"""First octets that are worth giving: an ISO image tells its kind only there."""
TAIL_BYTES = 66_000
"""Last octets that are worth giving: a zip's end record stands before up to 65,535 octets of comment."""

LOCKED = frozenset({"pgp.enc", "smime.enc"})
OPENABLE = frozenset(
    (
        *("zip", "7z", "rar", "gz", "bz2", "xz", "zst", "lz4", "lz", "lzma", "lzo", "lrz", "Z", "F", "tar", "cpio"),
        *("rpm", "deb", "a", "cab", "arj", "lha", "iso", "udf", "xar", "warc", "arc", "zoo", "ace", "sit", "szdd"),
        *("alz", "egg", "installshield", "wim", "vhd", "vhdx", "vmdk", "qcow", "dmg", "squashfs", "chm", "msi", "sis"),
        *("tnef", "doc", "cdf-ms", "one", "pdf", "rtf", "mail", "uue", "hqx", "exe", "dll", "smime", "applesingle"),
    )
)
"""Kinds that hold other files, whether we can open them or have to say that we cannot."""

_PLAIN = bytes(octet for octet in range(256) if octet >= 32 or octet in b"\t\n\r\f\b\x1b") + b"\x1a"
_ASCII = bytes(octet for octet in _PLAIN if octet < 127)
_ZIP_END = b"PK\x05\x06"
_ZIP_BEARERS = (b"MZ", b"\xff\xd8", b"GI", b"\x89P")
_MARK = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_HTML = re.compile(
    rb"\s*(?:<!--.{0,512}?-->\s*)?<(?:!doctype\s+html|html|head|body|title|script|style|table|iframe|meta|h1|a\s+href"
    rb"|font|center|div|form|hta:)\b",
    re.IGNORECASE | re.DOTALL,
)
_MAIL = re.compile(
    rb"(?:\xef\xbb\xbf)?[\r\n]{0,8}(?:From [^\r\n]{1,200}\r?\n|>From )?"
    rb"(?:Received(?:-SPF)?|Return-(?:Path|Receipt-To)|Delivered-To|Envelope-To|Errors-To|Message-ID|MIME-Version|From|To|Cc|Bcc"
    rb"|Date|Subject|Sender|Reply-To|References|In-Reply-To|User-Agent|Authentication-Results|Auto-Submitted|Importance"
    rb"|Priority|Precedence|Organization|Sensitivity|Accept-Language|Content-Language|Disposition-Notification-To"
    rb"|(?:X|ARC|DKIM|DomainKey|Content|List|Thread|Resent)-[A-Za-z-]{1,40})"
    rb":[ \t]?[^\r\n]{0,990}\r?\n(?:[ \t]|[!-9;-~]{1,60}:)",
    re.IGNORECASE,
)
_ENTITY = re.compile(
    rb"Content-(?:Type|Transfer-Encoding|Disposition):[^\r\n]{1,990}\r?\n(?:[ \t][^\r\n]{1,990}\r?\n)*+\r?\n",
    re.IGNORECASE,
)
"""What is signed is a part with a header of one field, as often as not."""
_SCRIPT = re.compile(rb"#![ \t]*\S{0,60}?(?:\benv[ \t]+)?\b(perl|python|php|ruby|bash|sh|node)[\d.]*\b")
_BATCH = re.compile(rb"\s*@?(?:echo[ \t]+off|rem[ \t]|setlocal)\b", re.IGNORECASE)
_UUENCODED = re.compile(
    rb"(?:-base64 [0-7]{3,4} [^\r\n]{1,200}\r?\n[A-Za-z0-9+/=]{4,100}\r?\n"
    rb"| [0-7]{3,4} [^\r\n]{1,200}\r?\n[!-M][ -`]{1,84}\r?\n)"
)
_LHA = re.compile(rb"-(?:l[hz][0-9dsx]|pm[0-2s])-")
_MSI_CLASS = bytes.fromhex("84100c0000000000c000000000000046")
_SFX = ((b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "rar"), (b"MSCF\x00\x00\x00\x00", "cab"))

_BY_OCTET: dict[int, tuple[tuple[bytes, tuple[str, ...]], ...]] = {
    octet: tuple(entry for entry in BEGINNINGS if entry[0][0] == octet) for octet in {key[0] for key, _ in BEGINNINGS}
}
_OLE_NAMES = tuple((name.encode("utf-16-le"), kinds) for name, kinds in OLE_STREAMS)


def is_locked(kinds: Iterable[str]) -> bool:
    """Return whether it is encrypted for a person who has the key: nobody on the way can look into it."""
    return not LOCKED.isdisjoint(kinds)


def kinds_of(head: bytes, tail: bytes = b"", size: int | None = None) -> tuple[str, ...]:
    """Return every short name that fits, the plainest first; never none.

    ``head`` are the first octets (up to HEAD_BYTES), ``tail`` the last ones; where ``size`` is that of
    ``head`` there need be no tail. Never raises.
    """
    if not head:
        return ("empty",)
    if not tail and (size is None or size == len(head)):
        tail = head
    found = [*_by_beginning(head), *_by_offset(head), *_by_end(head, tail), *_by_shape(head)]
    if (not found or found[0] == "image") and b"\x1a" in head and b"Rar!\x1a\x07" in head:
        found.append("rar")  # WinRAR looks for it behind whatever stands there
    if not found or found == ["mail"]:
        found += _text(head)
    kinds = tuple(dict.fromkeys(found)) or ("dat",)
    return tuple(kind for kind in kinds if kind != "asc" or "mail" not in kinds)


def is_openable(kinds: tuple[str, ...]) -> bool:
    """Whether looking inside is worth a sealed child."""
    return not OPENABLE.isdisjoint(kinds)


def is_text(head: bytes) -> bool:
    """Whether these first octets are text in some encoding: no control characters but the usual ones."""
    sample = head[:4096]
    if sample[:2] in _MARK:
        return True
    return not sample.translate(None, _PLAIN)


def _by_beginning(head: bytes) -> Iterator[str]:
    for key, kinds in _BY_OCTET.get(head[0], ()):
        if head.startswith(key) and _is_plausible(head, kinds):
            yield from _MORE[kinds[0]](head, kinds) if kinds[0] in _MORE else kinds
            return


def _is_plausible(head: bytes, kinds: tuple[str, ...]) -> bool:
    """Two or three letters are not enough where a text may begin with them."""
    kind = kinds[-1]
    if kind in ("exe-ms", "cpio") and head[:2] in (b"MZ", b"ZM"):
        return len(head) < 64 or not is_text(head)
    if kind == "bz2":
        return head[3:4] in b"123456789" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90")
    if kind == "swf":
        return len(head) > 3 and 0 < head[3] < 64
    if kind == "arj":
        return len(head) >= 11 and 30 <= int.from_bytes(head[2:4], "little") <= 2600
    if kind == "Z":
        return len(head) > 3 and 9 <= head[2] & 0x1F <= 16 and not head[2] & 0x60
    if kind == "gz":
        return head[2:3] == b"\x08"
    if kind == "cpio" and head[:1] != b"0":
        order: Literal["little", "big"] = "little" if head[:1] == b"\xc7" else "big"
        size = int.from_bytes(head[20:22], order)
        return 1 < size <= 1024 and head[25 + size : 26 + size] == b"\0"
    return True


def _executable(head: bytes, kinds: tuple[str, ...]) -> tuple[str, ...]:
    if head.startswith(b"\x7fELF"):
        order = "big" if head[5:6] == b"\x02" else "little"
        is_object = int.from_bytes(head[16:18], "big" if order == "big" else "little") == 1
        return ("o",) if is_object else kinds
    if kinds[-1] == "exe-unix":
        return kinds
    start = int.from_bytes(head[60:64], "little")
    is_library = head[start : start + 4] == b"PE\x00\x00" and len(head) > start + 23 and head[start + 23] & 0x20
    kinds = ("exe", "dll") if is_library else kinds
    packed = tuple(name for key, name in _SFX if key in head)
    return kinds + packed


def _java(head: bytes, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """A Java class has its version (45 and up) where a fat Mach-O has its number of parts."""
    is_fat = head.startswith(b"\xca\xfe\xba\xbe") and int.from_bytes(head[4:8], "big") < 40
    return ("exe", "exe-unix") if is_fat else kinds


def _compound(head: bytes, kinds: tuple[str, ...]) -> tuple[str, ...]:
    more = tuple(kind for name, these in _OLE_NAMES if name in head for kind in these)
    return kinds + more + (("msi",) if _MSI_CLASS in head else ())


_MORE = {"exe": _executable, "java": _java, "cdf-ms": _compound}


def _by_offset(head: bytes) -> Iterator[str]:
    for offset, key, kinds in INSIDE:
        if head.startswith(key, offset):
            yield from kinds
    if head[0] == 0x30:
        yield from (kind for key, kinds in CMS if 2 <= head.find(key, 2, 7 + len(key)) < 7 for kind in kinds)
    if head[:4] == b"RIFF":
        yield from {b"AVI ": ("movie", "avi"), b"WAVE": ("audio", "wav"), b"WEBP": ("image", "webp")}.get(
            head[8:12], ("riff",)
        )
    if _LHA.match(head, 2):
        yield "lha"
    if head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00":
        yield from ("image", "bmp")


def _by_end(head: bytes, tail: bytes) -> Iterator[str]:
    if head[:2] == b"PK" or _ends_as_zip(head, tail):
        yield "zip"
        yield from _zip(head, tail)
    if tail.startswith(b"koly", len(tail) - 512):
        yield "dmg"
    if tail.startswith(b"conectix", len(tail) - 512):
        yield "vhd"
    if head.startswith(b"\xd0\xcf\x11\xe0") and tail is not head:
        yield from _compound(tail, ())


def _ends_as_zip(head: bytes, tail: bytes) -> bool:
    """The end record's comment reaches to the end: not so where a zip is only stored inside a tar.

    Behind a picture or a program more may follow, since programs that look for the record skip it.
    """
    start = tail.rfind(_ZIP_END)
    if start < 0 or len(tail) < start + 22:
        return False
    if head[:2] in _ZIP_BEARERS:
        return True
    return start + 22 + int.from_bytes(tail[start + 20 : start + 22], "little") >= len(tail)


def _zip(head: bytes, tail: bytes) -> Iterator[str]:
    is_office = b"[Content_Types].xml" in head or b"[Content_Types].xml" in tail
    for key, kinds in ZIP_NAMES:
        if (is_office or not key.endswith(b"/")) and (key in head or key in tail):
            yield from kinds


def _by_shape(head: bytes) -> Iterator[str]:
    """Kinds that have no fixed octets at a fixed place."""
    if b"%PDF-" in head[:1032]:
        yield "pdf"
    if head[0] == 0x5D and head[1:3] == b"\x00\x00" and (head[5:13] == b"\xff" * 8 or head[10:13] == b"\x00" * 3):
        yield "lzma"
    if (
        head[0] == 0x1A
        and len(head) > 29
        and 0 < head[1] < 20
        and head[2:14].rstrip(b"\x00").isascii()
        and head[2] > 32
    ):
        yield "arc"
    if _MAIL.match(head) or _ENTITY.match(head):
        yield "mail"
    if len(head) >= 512 and head[257:262] != b"ustar" and _is_old_tar(head):
        yield "tar"


def _is_old_tar(head: bytes) -> bool:
    """A header before POSIX: its checksum has to be right."""
    field = head[148:156].strip(b" \x00")
    if not field or field.translate(None, b"01234567"):
        return False
    return sum(head[:148]) + sum(head[156:512]) + 8 * 32 == int(field, 8) != 256


def _text(head: bytes) -> Iterator[str]:
    if not is_text(head):
        return
    sample = head[:4096]
    if (encoding := _MARK.get(sample[:2])) is not None:
        sample = sample[2:].decode(encoding, "replace").encode("utf-8", "replace")
        plain = "txt"
    else:
        plain = "txt" if sample.translate(None, _ASCII) else "asc"
    sample = sample.removeprefix(b"\xef\xbb\xbf")
    yield from _marked_up(sample)
    if script := _SCRIPT.match(sample):
        yield from ("txt", script[1].decode())
    elif _BATCH.match(sample):
        yield from ("txt", "bat")
    if _is_uuencoded(sample):
        yield "uue"
    yield plain


def _is_uuencoded(sample: bytes) -> bool:
    start = 0 if sample.startswith(b"begin") else sample.find(b"\nbegin") + 1
    return (start > 0 or sample.startswith(b"begin")) and _UUENCODED.match(sample, start + 5) is not None


def _marked_up(sample: bytes) -> Iterator[str]:
    start = sample.lstrip()[:6].lower()
    if start.startswith(b"<?xml"):
        yield "xml"
    if b"<svg" in sample[:1024]:
        yield from ("image", "svg")
    if start.startswith(b"<") and _HTML.search(sample, 0, 1500):
        yield "html"
    if start.startswith(b"{\\rtf"):
        yield "rtf"
