# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens encrypted Office documents with words that may be their passwords.

Excel tries one password by itself, and opens without asking what was encrypted with it. So do we,
always, and count such a document as one that is not encrypted.

*Source:* MS-OFFCRYPTO sections 2.3.4.10 (agile), 2.3.4.5 (standard), 2.3.6 (RC4); through msoffcrypto.
"""

import io
import re
from collections.abc import Iterator

import msoffcrypto

from milterguard.core.part import Flag
from milterguard.unpack.document.compound import Compound
from milterguard.unpack.quota import Quota
from milterguard.unpack.source import Child, Find, Note, Source

EXCELS_OWN = "VelvetSweatshop"
_SPINS = re.compile(rb"spinCount=[\"'](\d{1,20})[\"']")
_MAX_SPINS = 1_000_000
"""Rounds of hashing per password; Office writes 100,000."""
_ENCRYPTED = frozenset({Flag.ENCRYPTED})


def look(source: Source, compound: Compound, quota: Quota) -> Iterator[Find]:
    """Yield the decrypted document where a password fits; say that it is encrypted where it needs one."""
    if not _is_safe(source, compound):
        yield Note(_ENCRYPTED, "encrypted in an unusual way")
        return
    if (plain := _opened(source, EXCELS_OWN, quota)) is not None:
        yield Child(blocks=(plain,), size=len(plain), is_hidden=True)
        return
    for password in source.passwords:
        if (plain := _opened(source, password, quota)) is not None:
            yield Note(_ENCRYPTED | {Flag.MAIL_PASSWORD}, "encrypted, opened with a word of the mail")
            yield Child(blocks=(plain,), size=len(plain), is_hidden=True)
            return
    yield Note(_ENCRYPTED, "needs a password")


def _is_safe(source: Source, compound: Compound) -> bool:
    """The library holds streams in memory, as long as they claim to be, and hashes as often as it is told."""
    if any(entry.size > source.size for entry in compound.streams()) or claimed_bytes(compound) > 4 * source.size:
        return False
    information = compound.find("EncryptionInfo")
    if information is None:
        return True
    told = compound.read(information, 65536)
    spins = _SPINS.findall(told)
    # It hands the XML to a parser that expands entities.
    return b"<!" not in told and information.size <= len(told) and all(int(count) <= _MAX_SPINS for count in spins)


def claimed_bytes(compound: Compound) -> int:
    """Return how many octets all streams together claim to have."""
    return sum(entry.size for entry in compound.streams())


def _opened(source: Source, password: str, quota: Quota) -> bytes | None:
    try:
        office = msoffcrypto.OfficeFile(source.file())
        office.load_key(password=password, verify_password=True)
        out = io.BytesIO()
        office.decrypt(out)
    # It says in a dozen ways, most of them by accident, that the password is wrong.
    except Exception:  # noqa: BLE001
        return None
    if out.tell() > quota.room:
        quota.take(out.tell())
    return out.getvalue()
