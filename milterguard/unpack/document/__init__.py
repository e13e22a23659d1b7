# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that carry other files, or macros: one module for each format, one line here for each module."""

from milterguard.unpack.document import cms, eml, office, ole, onenote, pdf, rtf, tnef
from milterguard.unpack.source import Look

LOOKS: tuple[tuple[frozenset[str], Look], ...] = (
    (frozenset({"cdf-ms", "msi", "msg"}), ole.look),
    (frozenset({"zip"}), office.look),
    (frozenset({"pdf"}), pdf.look),
    (frozenset({"rtf"}), rtf.look),
    (frozenset({"tnef"}), tnef.look),
    (frozenset({"one"}), onenote.look),
    (frozenset({"mail"}), eml.look),
    (cms.KINDS, cms.look),
)
"""Who looks into which kinds, by amavis' short names. The one for zips tells of Office documents only."""


def preload() -> None:
    """Have everything done once that libraries put off, so that no file is wanted behind the seal."""
    pdf.preload()
    # Names in old documents come in these.
    for encoding in ("cp1252", "utf-16-le"):
        b"a\0".decode(encoding, "replace")
