# SPDX-License-Identifier: GPL-3.0-or-later
"""Octets as text under a declared character set, from a closed list: nobody else's codec is ever looked up.

Python's registry also holds ``zlib``, ``punycode`` and ``unicode_escape``, which expand or take quadratic time.

*Source:* RFC 2978 names, and what Outlook and Thunderbird write. *Errors:* none; what is unknown is Latin-1.
"""

import re

_SAME = {
    "usascii": "latin-1",
    "ascii": "latin-1",
    "ansix341968": "latin-1",
    "utf7": "utf-7",
    "unicode11utf7": "utf-7",
    "csunicode11utf7": "utf-7",
    "xunicode20utf7": "utf-7",
    "utf8": "utf-8",
    "utf8mb4": "utf-8",
    "unicode11utf8": "utf-8",
    "xunicode20utf8": "utf-8",
    "utf16": "utf-16",
    "utf16be": "utf-16-be",
    "utf16le": "utf-16-le",
    "ucs2": "utf-16-be",
    "iso10646ucs2": "utf-16-be",
    "utf32": "utf-32",
    "utf32be": "utf-32-be",
    "utf32le": "utf-32-le",
    "ucs4": "utf-32-be",
    "latin1": "cp1252",
    "l1": "cp1252",
    "gb2312": "gb18030",
    "gb231280": "gb18030",
    "euccn": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "gb18030": "gb18030",
    "hzgb2312": "hz",
    "big5": "big5hkscs",
    "big5hkscs": "big5hkscs",
    "cp950": "cp950",
    "iso2022jp": "iso2022_jp_2",
    "iso2022jp1": "iso2022_jp_1",
    "iso2022jp2": "iso2022_jp_2",
    "iso2022jp3": "iso2022_jp_3",
    "iso2022jpext": "iso2022_jp_ext",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "iso2022kr": "iso2022_kr",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "mskanji": "cp932",
    "windows31j": "cp932",
    "cp932": "cp932",
    "eucjp": "euc_jp",
    "xeucjp": "euc_jp",
    "euckr": "cp949",
    "ksc5601": "cp949",
    "ksc56011987": "cp949",
    "ksc56011989": "cp949",
    "korean": "cp949",
    "cp949": "cp949",
    "uhc": "cp949",
    "johab": "johab",
    "koi8": "koi8-r",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "koi8ru": "koi8-u",
    "koi8t": "koi8-t",
    "macintosh": "mac-roman",
    "xmacroman": "mac-roman",
    "tis620": "cp874",
    "iso88591": "cp1252",
    "iso885911": "cp874",
    "windows874": "cp874",
    "ebcdiccpus": "cp037",
    "ebcdiccpca": "cp037",
    "ebcdicus": "cp037",
}
_FAMILY = re.compile(
    r"(?:windows|xcp|cp|ibm|x)(125[0-8]|437|85[02578]|86[0-9]|737|775)|iso8859(1[03456]|[2-9])(?:[ie])?"
)
_EBCDIC = re.compile(r"(?:ibm|cp|ccsid|csibm|ebcdiccp)0*(37|273|424|500|875|1026|1140)")
"""Programs that convert by iconv read them, and a name in one looks like nothing to all others."""
_NOT_IN_NAME = re.compile(r"[^a-z0-9]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def codec(name: str) -> str:
    """Return the codec of a declared character set; ``latin-1`` for one that is not known."""
    word = _NOT_IN_NAME.sub("", name[:60].lower().partition("*")[0])
    if word in _SAME:
        return _SAME[word]
    if ebcdic := _EBCDIC.fullmatch(word):
        return f"cp{ebcdic[1]:0>3}"
    family = _FAMILY.fullmatch(word)
    if family is None:
        return "latin-1"
    return f"cp{family[1]}" if family[1] else f"iso8859-{family[2]}"


def text(octets: bytes, name: str) -> str:
    """Return octets as text in a declared character set. Never raises; what does not fit becomes U+FFFD."""
    known = codec(name)
    if known == "latin-1":
        return guessed(octets)
    try:
        return whole(octets.decode(known, "replace"))
    except (LookupError, UnicodeError):
        return guessed(octets)


def guessed(octets: bytes) -> str:
    """Return octets of an unknown character set: UTF-8 where they are, else Latin-1."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def whole(decoded: str) -> str:
    """Return text without lone surrogates, which UTF-7 can spell."""
    return _SURROGATES.sub("\ufffd", decoded)
