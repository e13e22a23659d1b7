# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``Authentication-Results`` field: ours, written so that nobody can put a result into it, and those of others.

Whatever a stranger had a hand in (a HELO, a sender, a domain) stands in a quoted string unless it is as plain as
a domain, so it is never read as a result. Comments are not written, for readers disagree where they end.

*Source:* RFC 8601 sections 2.2, 2.3 and 5. *Errors:* none; linear in the octets.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from unicodedata import normalize

from milterguard.core.finding import Finding
from milterguard.core.message import Field
from milterguard.core.text import ascii_printable, decoded, folded

NAME = "Authentication-Results"
RESULTS = ("pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror")
"""Every result that a method may have. *Source:* RFC 8601 section 2.7."""
_PLAIN = re.compile(r"[A-Za-z0-9._+-]*@?[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\Z")
_TOKEN = re.compile(r"[A-Za-z0-9._-]+\Z")
_VALUE_LIMIT = 250
_MOST_RESULTS = 50
_ID_LIMIT = 300
"""No id is as long, and to normalize much text takes quadratic time."""
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*+"|\\.|[()"]|[^\\()"]++', re.DOTALL)
_IN_COMMENT = re.compile(r"\\.|[()]", re.DOTALL)
_WORD = re.compile(r'"((?:[^"\\]|\\.)*+)"|((?:[^\s;="\\]|\\.)++)|([;=])', re.DOTALL)
_NO_TOKEN = re.compile(r'[\s;"()<>@,:\\/\[\]?=]')
_JOINTS = re.compile(r'[\s"\\]')
_HEADLESS = re.compile(r"\s*[A-Za-z0-9._/-]+\s*=")
"""Results where the id should stand."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Result:
    """What somebody says he has found: one method, its result, what it is about."""

    method: str
    result: str
    properties: tuple[tuple[str, str], ...] = ()
    """Such as ``("header.d", "example.org")``, names in small letters."""

    def of(self, name: str) -> str:
        """Return the first property of that name; empty where there is none."""
        return next((value for key, value in self.properties if key == name), "")


def field_value(authserv_id: str, findings: Iterable[Finding]) -> str:
    """Return the value of our field, folded; empty where no check has a result."""
    told = [_resinfo(finding) for finding in findings if finding.result]
    if not told:
        return ""
    lines = [";".join((_written(authserv_id), ""))]
    for index, pieces in enumerate(told):
        end = ";" if index < len(told) - 1 else ""
        lines.append(folded([*pieces[:-1], pieces[-1] + end], first=1, separator=" ").replace(" \n", "\n"))
    return "\n ".join(lines)


def received_spf(finding: Finding, receiver: str) -> str:
    """Return the value of a Received-SPF field for a result of SPF. *Source:* RFC 7208 section 9.1."""
    said = dict(finding.properties)
    identity = "mailfrom" if "smtp.mailfrom" in said else "helo"
    about = said.get("smtp.mailfrom", said.get("smtp.helo", ""))
    key = "envelope-from" if identity == "mailfrom" else "helo"
    return f"{finding.result} receiver={_written(receiver)}; identity={identity};\n {key}={_quoted(about)}"


def claims(field: Field, authserv_id: str) -> bool:
    """Whether a field says it is ours: it has our id in any spelling, or cannot be read for sure.

    *Source:* RFC 8601 section 5: such a field from outside must go before anybody trusts it.
    """
    if not field.is_named(NAME.encode("ascii")):
        return False
    plain = _without_comments(decoded(field.value))
    if plain is None:
        return True
    ours = _plain_id(authserv_id)
    head = plain.partition(";")[0]
    claimed = _id_of(plain)
    # Without an id it is nobody's, and may be taken for anybody's; some readers decode encoded words even there.
    if not claimed or _HEADLESS.match(plain) or "=?" in head or max(len(head), len(claimed)) > _ID_LIMIT:
        return True
    # Some readers put together what stands before the results, a version behind the id included.
    joined = _plain_id(_JOINTS.sub("", head))
    is_joined = joined.startswith(ours) and not joined[len(ours) :].strip("0123456789.")
    return is_joined or _plain_id(claimed) == ours


def results_of(value: bytes) -> tuple[Result, ...]:
    """Return the results that a field of somebody else has, as far as they can be read."""
    text = _without_comments(decoded(value))
    return () if text is None else tuple(_results(text))


def _resinfo(finding: Finding) -> list[str]:
    """Return the words of one result; none of them may be broken."""
    pieces = [f"{finding.check}={finding.result}"]
    if finding.detail:
        pieces.append(f"reason={_quoted(finding.detail)}")
    return pieces + [f"{name}={_written(value)}" for name, value in finding.properties if value]


def _written(text: str) -> str:
    return text if len(text) <= _VALUE_LIMIT and _PLAIN.match(text) else _quoted(text)


def _quoted(text: str) -> str:
    shown = ascii_printable(text, _VALUE_LIMIT).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{shown}"'


def _id_of(plain: str) -> str | None:
    """Return the id that a field without comments begins with; None where readers may differ about it."""
    plain = plain.strip()
    if plain.startswith('"'):
        match = _WORD.match(plain)
        return None if match is None or match[1] is None else _ESCAPED.sub(r"\1", match[1])
    # An id is a token; whatever else stands behind one, some reader stops there (RFC 2045 section 5.1).
    return _NO_TOKEN.split(plain, maxsplit=1)[0]


def _plain_id(text: str) -> str:
    """Return an id without what a reader may overlook: case, width, dots at the end, what cannot be seen."""
    text = normalize("NFKC", text.replace("\N{IDEOGRAPHIC FULL STOP}", "."))
    shown = "".join(character for character in text if character.isprintable() and not character.isspace())
    return shown.lower().rstrip(".")


def _without_comments(text: str) -> str | None:
    """Return a value with a blank for each comment; None where one, or a quoted string, is not closed."""
    kept: list[str] = []
    position = 0
    while match := _PIECE.match(text, position):
        piece, position = match[0], match.end()
        if piece == "(":
            position = _comment_end(text, position)
            if position < 0:
                return None
            kept.append(" ")
        elif piece in (")", '"'):
            return None
        else:
            kept.append(piece)
    return "".join(kept) if position == len(text) else None


def _comment_end(text: str, position: int) -> int:
    """Return the place behind a comment that was opened before ``position``; -1 where it is not closed.

    Quotes mean nothing in it.
    """
    depth = 1
    for match in _IN_COMMENT.finditer(text, position):
        depth += (match[0] == "(") - (match[0] == ")")
        if depth == 0:
            return match.end()
    return -1


def _results(text: str) -> Iterator[Result]:
    """Yield what stands behind the id, between semicolons."""
    statements: list[list[tuple[str, str]]] = [[]]
    for match in _WORD.finditer(text):
        if match[3] == ";":
            statements.append([])
        elif match[1] is not None:
            statements[-1].append(("text", _ESCAPED.sub(r"\1", match[1])))
        else:
            statements[-1].append(("sign" if match[3] else "text", match[0]))
    for words in statements[1 : _MOST_RESULTS + 1]:
        pairs = list(_pairs(words))
        if pairs and _TOKEN.match(pairs[0][1]):
            (method, result), *rest = pairs
            yield Result(method.partition("/")[0], result.lower(), tuple(rest))


def _pairs(words: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield name and value of each ``name = value``."""
    for index in range(1, len(words) - 1):
        before, sign, after = words[index - 1 : index + 2]
        if sign == ("sign", "=") and before[0] == after[0] == "text":
            yield before[1].lower(), after[1]
