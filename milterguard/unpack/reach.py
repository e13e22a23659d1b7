# SPDX-License-Identifier: GPL-3.0-or-later
"""What clamd reaches by itself when it is given the whole message, and what has to be given to it piece by piece.

*Source:* measured with clamd 1.4.6 of Debian 12 (no unrar) and a signature on a member's digest, in each
format: it opened zip (stored, deflate, deflate64, bzip2, implode), 7z (LZMA, PPMd, copy), tar, cpio, ar,
gzip, xz, cab, arj, iso, udf, xar, uuencode, behind other data as well; it did not open what is named here.
"""

UNREACHED = frozenset(
    {
        "rar",
        "deb",  # its ar members have names that clamd's reader does not take
        "rpm",
        "bz2",  # only the first of several streams
        "Z",
        "zst",
        "lz4",
        "lz",
        "lzma",  # a tar in it is found, a program is not
        "lzo",
        "lrz",
        "lha",  # not every method
        "warc",
        "wim",
        "7z",  # not with BZip2 or Deflate, which cannot be told from outside
    }
)
"""Kinds of containers whose members clamd does not see."""

ZIP_METHODS_REACHED = frozenset({0, 1, 6, 8, 9, 12})
"""Methods of zip members that clamd decompresses; not LZMA, zstd, xz or PPMd."""
