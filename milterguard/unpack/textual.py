# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in a text that is itself a member or an attachment: uuencode, base64 of ``begin-base64``, yEnc, BinHex.

*Errors:* none but what ``source`` allows.
"""

from collections.abc import Iterator

from milterguard.core.part import Flag
from milterguard.mime.decode import decodings
from milterguard.mime.embedded import embedded
from milterguard.unpack.quota import Quota
from milterguard.unpack.source import Child, Find, Note, Source

KINDS = frozenset({"uue", "hqx"})


def look(source: Source, _quota: Quota) -> Iterator[Find]:
    """Yield each file in every reading of its encoding."""
    octets = source.mapped()
    files = embedded(octets, 0, len(octets))
    if not files:
        yield Note(frozenset({Flag.UNDECODABLE}), "no file in it after all")
    for file in files:
        readings = decodings(octets, file.start, file.end, encoding=file.encoding)
        for decoding in readings:
            if decoding.is_ambiguous:
                yield Note(frozenset({Flag.AMBIGUOUS}), f"{file.encoding} with more than one reading")
            yield Child((file.name,) if file.name else (), decoding.blocks(), is_hidden=decoding.is_odd)
