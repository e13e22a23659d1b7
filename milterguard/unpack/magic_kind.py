# SPDX-License-Identifier: GPL-3.0-or-later
"""libmagic's description of what our own signatures do not know, as amavis' short names.

libmagic parses hostile octets in C and is therefore asked in the sealed child only; its database is read
before the seal, by ``preload``.

*Source:* file(1) 5.44 for the descriptions; amavis ``@map_full_type_to_short_type_maps`` for the names.

*Errors:* none; without libmagic, or where it fails, everything unknown is ``dat``.
"""

import re

import magic

_HEAD_BYTES = 40960

_RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"empty", ("empty",)),
    (r"data$|COM executable|DOS executable \(COM\)|MS-DOS executable \(built-in\)|zlib compressed", ("dat",)),
    (
        r"PGP (?:message|encrypted|symmetric)|(?:GPG|PGP).*encrypted data|PGP symmetric key encrypted",
        ("pgp", "pgp.enc"),
    ),
    (r"PGP|GPG|OpenPGP", ("pgp",)),
    (r"JPEG", ("image", "jpg")),
    (r"GIF image", ("image", "gif")),
    (r"PNG image", ("image", "png")),
    (r"TIFF image", ("image", "tif")),
    (r"PCX\b", ("image", "pcx")),
    (r"PC bitmap", ("image", "bmp")),
    (r"Adobe Photoshop Image", ("image", "psd")),
    (r"SVG Scalable", ("image", "svg")),
    (r"RIFF.*Web/P", ("image", "webp")),
    (r"ISO Media, (?:HEIF|AVIF)", ("image", "heic")),
    (r"JPEG 2000", ("image", "jp2")),
    (r"MS Windows (?:icon|cursor) resource", ("image", "ico")),
    (r"Targa image|Netpbm image|X pixmap|OpenEXR|DjVu|\S+ image data", ("image",)),
    (r"Audio file with ID3|MPEG ADTS, layer III|MP3\b", ("audio", "mpa", "mp3")),
    (r"MPEG ADTS, layer II\b|MP2\b", ("audio", "mpa", "mp2")),
    (r"MPEG ADTS|ADIF", ("audio", "mpa")),
    (r"Ogg data.*(?:video|Theora)", ("movie", "ogv")),
    (r"Ogg data", ("audio", "ogg")),
    (r"FLAC audio", ("audio", "flac")),
    (r"Standard MIDI", ("audio", "mid")),
    (r"Adaptive Multi-Rate", ("audio", "amr")),
    (r"RIFF.*WAVE audio", ("audio", "wav")),
    (r"Sun/NeXT audio", ("audio", "au")),
    (r"IFF data, AIFF|AIFF-C", ("audio", "aif")),
    (r"RIFF.*AVI", ("movie", "avi")),
    (r"RIFF.*animated cursor", ("movie", "ani")),
    (r"ISO Media, Apple QuickTime|Apple QuickTime", ("movie", "mov")),
    (r"ISO Media.*3GPP", ("audio", "mpa", "3gpp")),
    (r"ISO Media", ("movie", "mp4")),
    (r"MPEG (?:sequence|transport stream)|MPEG\b", ("movie", "mpv", "mpg")),
    (r"Matroska data|WebM", ("movie", "mkv")),
    (r"Macromedia Flash Video", ("movie", "flv")),
    (r"Microsoft ASF", ("movie", "wmv")),
    (r"Macromedia Flash", ("swf",)),
    (r"HTML document", ("html",)),
    (r"XML .*document", ("xml",)),
    (r"exported SGML", ("sgml",)),
    (r"PostScript document|DOS EPS Binary", ("ps",)),
    (r"PDF document", ("pdf",)),
    (r"Rich Text Format", ("rtf",)),
    (r"Composite Document File", ("cdf-ms",)),
    (r"Microsoft Office Document|Microsoft Word\b|Microsoft OOXML", ("doc",)),
    (r"Microsoft Excel", ("doc", "xls")),
    (r"Microsoft PowerPoint", ("doc", "ppt")),
    (r"OpenDocument", ("zip",)),
    (r"Microsoft Access|Microsoft Jet DB", ("mdb",)),
    (r"Microsoft Outlook email folder", ("pst",)),
    (r"MS Windows 3\.x help|MS Windows HtmlHelp", ("chm",)),
    (r"Windows metafile|Windows Enhanced Metafile|ms-windows metafont", ("wmf",)),
    (r"TeX DVI", ("dvi",)),
    (r"LaTeX", ("lat",)),
    (r"compiled Java class|Java serialization data|Java KeyStore", ("java",)),
    (r"Dalvik dex", ("dex",)),
    (r"MS Windows shortcut", ("lnk",)),
    (r"(?:MS )?Windows.*Internet shortcut", ("url",)),
    (r"MS Windows registry file|Windows Registry", ("reg",)),
    (r"frozen file", ("F",)),
    (r"gzip compressed", ("gz",)),
    (r"bzip2 compressed", ("bz2",)),
    (r"bzip compressed", ("bz",)),
    (r"XZ compressed", ("xz",)),
    (r"LZMA compressed", ("lzma",)),
    (r"LRZIP compressed", ("lrz",)),
    (r"lzip compressed", ("lz",)),
    (r"lzop compressed", ("lzo",)),
    (r"LZ4 compressed", ("lz4",)),
    (r"Zstandard compressed", ("zst",)),
    (r"compress'd", ("Z",)),
    (r"Zip archive|Java archive|EPUB document|Zip multi-volume|Android package", ("zip",)),
    (r"7-zip archive", ("7z",)),
    (r"RAR archive", ("rar",)),
    (r"LHa? ?.*archive|LHarc", ("lha",)),
    (r"ARC\+? archive|ARC archive", ("arc",)),
    (r"ARJ archive", ("arj",)),
    (r"ACE archive", ("ace",)),
    (r"Zoo archive", ("zoo",)),
    (r"(?:\S+ )?tar archive", ("tar",)),
    (r"(?:\S+ )*cpio archive", ("cpio",)),
    (r"StuffIt", ("sit",)),
    (r"xar archive", ("xar",)),
    (r"Debian binary package", ("deb",)),
    (r"current ar archive|thin archive", ("a",)),
    (r"RPM\b", ("rpm",)),
    (r"Transport Neutral Encapsulation|TNEF", ("tnef",)),
    (r"InstallShield Cabinet", ("installshield",)),
    (r"Microsoft Cabinet|Cabinet archive", ("cab",)),
    (r"MS Compress", ("szdd",)),
    (r"ISO 9660|ISO-9660", ("iso",)),
    (r"UDF filesystem", ("udf",)),
    (r"Windows imaging", ("wim",)),
    (r"Microsoft Disk Image eXtended", ("vhdx",)),
    (r"Microsoft Disk Image", ("vhd",)),
    (r"VMware\d? disk image", ("vmdk",)),
    (r"QEMU QCOW", ("qcow",)),
    (r"Squashfs filesystem", ("squashfs",)),
    (r"Macintosh .*disk image|Apple partition|lzfse", ("dmg",)),
    (r"DOS/MBR boot sector|Linux .*filesystem data|NTFS", ("img",)),
    (r"Symbian installation", ("sis",)),
    (r"uuencoded|xxencoded", ("uue",)),
    (r"BinHex", ("hqx",)),
    (r"(?:news or )?mail|SMTP mail|RFC 822 mail|news text", ("mail",)),
    (r"DOS batch file", ("txt", "bat")),
    (r"Perl.*script|Perl5 module", ("txt", "perl")),
    (r".*script.*text executable", ("txt",)),
    (r"PE32\+? executable \(DLL\)|.*\(DLL\).*MS Windows|MS Windows.*DLL", ("exe", "dll")),
    (r"PE32|.*executable.*MS Windows|MS-DOS executable|DOS executable \((?!COM)|NE for MS Windows", ("exe", "exe-ms")),
    (r"ELF .*relocatable", ("o",)),
    (r"ELF .*(?:executable|shared object)|Mach-O|a\.out|COFF|PA-RISC|executable \(RISC System", ("exe", "exe-unix")),
    (r"VMS .*executable", ("exe", "exe-vms")),
    (r"EFI byte code|.*\bexecutable\b", ("exe",)),
    (r"(?:ISO-8859|Non-ISO extended-ASCII|Unicode|UTF-\d+|.*Unicode).*\btext\b", ("txt",)),
    (r".*document text", ("txt",)),
    (r".*\btext\b", ("asc",)),
)
"""Descriptions from their beginning on; the first that fits counts."""

KINDS = tuple(kinds for _, kinds in _RULES)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), kinds) for pattern, kinds in _RULES)


class _Library:
    """libmagic's database, once it is loaded."""

    cookie: magic.Magic | None = None


def preload() -> None:
    """Read libmagic's database; to be called while files can still be opened. Raises OSError, magic.MagicException."""
    if _Library.cookie is None:
        _Library.cookie = magic.Magic()


def kinds_of(head: bytes) -> tuple[str, ...]:
    """Return the short names of what libmagic takes these first octets for; ``dat`` before ``preload``."""
    if _Library.cookie is None:
        return ("dat",)
    try:
        description = _Library.cookie.from_buffer(head[:_HEAD_BYTES])
    except (magic.MagicException, UnicodeDecodeError, OSError):
        return ("dat",)
    return kinds_of_description(description)


def kinds_of_description(description: str) -> tuple[str, ...]:
    """Return the short names for a description of file(1)."""
    return next((kinds for pattern, kinds in _COMPILED if pattern.match(description)), ("dat",))
