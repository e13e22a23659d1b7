# SPDX-License-Identifier: GPL-3.0-or-later
r"""Text of strangers on one line of a field, so that the very same text can be read back.

What could end the line, the address or the quotation becomes ``\xHH`` or ``\uHHHH``;
everything else stays as it is, in UTF-8.
"""

import re

_UNSAFE = re.compile('[\x00-\x1f\x7f-\x9f"<>\\\\\u2028\u2029\ud800-\udfff]')
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})")


def escaped(text: str) -> str:
    """Return text without control characters, quotes, angle brackets, backslashes and surrogates."""
    return _UNSAFE.sub(_escape, text)


def unescaped(text: str) -> str:
    """Return what ``escaped`` was given. Never raises."""
    return _ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
