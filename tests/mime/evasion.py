# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages with an archive that hides: each odd container, field and encoding, and many of them together.

Whoever looks for the archive must find it in each, or call the message ambiguous.
"""

import io
import zipfile
from collections.abc import Iterator
from itertools import product

from tests.daemons.sample import EICAR
from tests.mime.containers import CONTAINERS, encoded_containers, filled
from tests.mime.disguises import BODIES
from tests.mime.headings import FIELDS, HEADS, OTHER_WORDS, head

_TEXT = b"Content-Type: text/plain\r\n\r\nABCD\t01234=56789  98765=43210 = =XY Some more text"
_TOP = b"From: me@example.com\r\nTo: you@example.com\r\nSubject: x\r\nMime-Version: 1.0\r\n"
_MIXED = {b"base64": "mixedlen", b"quoted-printable": "cont"}
_WITH_FIELDS = {
    b"base64": ("basic", "mixedlen", "chunks-10", "junk-21", "unpadded", "blanks-first"),
    b"quoted-printable": ("basic", "allenc-cont", "alnum", "soft-blank", "invalid-first"),
    b"x-uuencode": ("basic", "bare"),
    b"x-yenc": ("basic",),
    b"x-binhex": ("basic",),
}
_UNDECLARED = {
    b"base64": ("basic", "mixedlen", "linelen-4", "one-line", "unpadded", "url-safe", "chunks-10", "blanks-first"),
    b"quoted-printable": ("basic", "allenc", "cont", "lower-case", "soft-blank"),
}
"""No program decodes what is not declared, but of what a program may know by its looks."""
_WITH_BODIES = ("multipart-basic", "shape-single", "shape-message")
_WITH_HEADS = ("basic", "none", "unknown", "quoted")


def payload() -> bytes:
    """Return ``eicar.zip``, the same octets each time."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("eicar.com", (2026, 1, 1, 0, 0, 0)), EICAR, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def variants() -> Iterator[tuple[str, bytes]]:
    """Yield name and octets of each message, the same in each run."""
    seen: set[bytes] = set()
    for name, octets in _all(payload()):
        if octets not in seen:
            seen.add(octets)
            yield name, octets


def _all(octets: bytes) -> Iterator[tuple[str, bytes]]:
    made = _Maker(octets)
    for container, (word, body) in product(CONTAINERS, _MIXED.items()):
        yield made.one(container, "octets", "basic", word, body)
    for word, bodies in BODIES.items():
        for container, body in product(_WITH_BODIES, bodies):
            yield made.one(container, "octets", "basic", word, body)
        for field, body in product(FIELDS, _WITH_FIELDS[word]):
            yield made.one("multipart-basic", "octets", field, word, body)
        for field in FIELDS:
            yield made.one("shape-single", "encoding-first", field, word, "basic")
        for kind, field in product(HEADS, _WITH_HEADS):
            yield made.one("multipart-basic", kind, field, word, "basic")
            yield made.one("shape-single", kind, field, word, "basic")
        for other in OTHER_WORDS[word]:
            yield made.one("multipart-basic", "octets", "basic", other, "basic", bodies=word)
        for body in bodies:
            yield made.one("multipart-basic", "text", "basic", word, body)
        for kind, body in product(("octets", "text"), _UNDECLARED.get(word, bodies)):
            yield made.one("multipart-basic", kind, "none", word, body)
    yield from made.encoded()


class _Maker:
    """Puts messages together."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def one(
        self, container: str, kind: str, field: str, word: bytes, body: str, *, bodies: bytes = b""
    ) -> tuple[str, bytes]:
        """Return name and octets of the message of this container, head, field, encoding and way to encode."""
        part = head(kind, field, word) + BODIES[bodies or word][body](self._octets)
        name = f"{container}_{kind}_{word.decode()}_{field}_{body}"
        return name, _TOP + filled(CONTAINERS[container], _TEXT, part)

    def encoded(self) -> Iterator[tuple[str, bytes]]:
        """Yield messages whose multipart or message is encoded as a whole."""
        for word, body in _MIXED.items():
            part = head("octets", "basic", word) + BODIES[word][body](self._octets)
            for name, octets in encoded_containers(_TEXT, part).items():
                yield f"{name}_{word.decode()}_{body}", _TOP + octets
