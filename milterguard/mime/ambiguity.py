# SPDX-License-Identifier: GPL-3.0-or-later
"""Which constructs have more than one reading, and which are only untidy.

The line between the two is drawn by what real mailers do: a construct that harmless mail shows again and again, and
that hides nothing by itself, is untidy; whatever makes two programs see different parts is ambiguous (D5).

*Source:* RFC 2045 to 2047, RFC 2231; what amavis calls CC_UNCHECKED minor 3.
"""

from enum import StrEnum

from milterguard.core.part import Flag, Problem


class Construct(StrEnum):
    """What the walker itself calls a construct; words of ``parameter`` and ``decode`` come beside these."""

    # The header section of a message or part.
    COMMENT_IN_NAME = "comment in a field name"
    JUNK_IN_NAME = "junk in a field name"
    NUL_IN_NAME = "NUL in a field name"
    EIGHT_BIT_IN_NAME = "8-bit octet in a field name"
    BLANK_IN_NAME = "blank before the colon of a field"
    NO_COLON = "field without a colon"
    FIELD_IN_FOLD = "field in a folded line"
    FIRST_LINE_FOLDED = "header begins with a folded line"
    CUT_SHORT = "header cut short"
    BLANK_LINE = "header with a line of blanks"
    FIELDS_AFTER_HEADER = "fields after the header"
    NO_HEADER_END = "part without the end of its header"
    NUL_IN_FIELD = "NUL in a field"
    BARE_CR_IN_HEADER = "bare carriage return in a header"
    # What the fields declare.
    TWO_TYPES = "two Content-Types"
    SAME_TYPE_TWICE = "the same Content-Type twice"
    TWO_ENCODINGS = "two Content-Transfer-Encodings"
    SAME_ENCODING_TWICE = "the same Content-Transfer-Encoding twice"
    TWO_DISPOSITIONS = "two Content-Dispositions"
    GARBLED_ENCODING = "garbled Content-Transfer-Encoding"
    UNKNOWN_ENCODING = "unknown Content-Transfer-Encoding"
    BOUNDARY_IN_DISPOSITION = "boundary in Content-Disposition"
    BOUNDARY_IN_LEAF = "boundary in a type that is no multipart"
    NO_BOUNDARY = "multipart without a boundary"
    ODD_BOUNDARY = "boundary with unusual characters"
    # What stands in the body.
    TWO_BOUNDARIES = "two boundaries"
    SAME_BOUNDARY = "boundary of an outer multipart"
    UNDECLARED = "undeclared delimiter"
    UNDECLARED_IN_TEXT = "undeclared delimiter in a text"
    NO_DELIMITER = "multipart without its delimiter"
    NOT_CLOSED = "multipart without its closing delimiter"
    AFTER_CLOSING = "parts after the closing delimiter"
    DELIMITER_JUNK = "delimiter with something after it"
    CLOSING_JUNK = "closing delimiter with something after it"
    DELIMITER_BLANK = "blank before a delimiter"
    DELIMITER_CR = "delimiter with bare carriage returns"
    NEAR_DELIMITER = "boundary that begins another"
    ENCODED_COMPOSITE = "encoded multipart or message"
    ENCODED_AND_PLAIN = "encoded multipart that can be read without decoding"
    OUTSIDE = "encoded content outside of the parts"
    ODD_CONTENT = "content in an odd encoding"
    TYPE_DISAGREES = "a type that is both a leaf and a container"
    TOO_DEEP = "nested too deeply"
    TOO_MANY_PARTS = "too many parts"
    TOO_LONG_HEADER = "header too long"
    TOO_MUCH = "too much to decode"
    TOO_MANY_DELIMITERS = "too many lines like a delimiter"
    TOO_OFTEN = "too much to go through"


_UNTIDY = frozenset(
    {
        Construct.SAME_TYPE_TWICE,
        Construct.SAME_ENCODING_TWICE,
        Construct.NOT_CLOSED,
        Construct.NO_DELIMITER,
        Construct.UNDECLARED_IN_TEXT,
        Construct.ENCODED_AND_PLAIN,
    }
)
_LIMITS = frozenset(
    {
        Construct.TOO_DEEP,
        Construct.TOO_MANY_PARTS,
        Construct.TOO_LONG_HEADER,
        Construct.TOO_MUCH,
        Construct.TOO_MANY_DELIMITERS,
        Construct.TOO_OFTEN,
    }
)


def problem(word: str, placement: str) -> Problem:
    """Return what a construct is: AMBIGUOUS, OVER_LIMITS, or untidy; words not known here are AMBIGUOUS."""
    if word in _LIMITS:
        return Problem(Flag.OVER_LIMITS, str(word), placement)
    return Problem(None if word in _UNTIDY else Flag.AMBIGUOUS, str(word), placement)
