# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a message drawn as a tree, below each of them what was found about it and which rule said so.

Works on the evidence document, as ``story`` does, and insists on no key of it. ``rulings`` are in the
documents of ``scan`` only; without them the findings tell which leaf was banned.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from milterguard.cli import show

Document = Mapping[str, Any]

_SHORT_DIGEST = 12
_INDENT = "  "
_DEEPEST = 24
"""Columns of lines that lead to a part; of a deeper one only the last are drawn."""
_MOST_RECIPIENTS = 3


def tell_parts(document: Document) -> None:
    """Print the tree. Prints nothing when the message was not taken apart."""
    parts = [each for each in document.get("parts") or [] if isinstance(each, Mapping)]
    if not parts:
        return
    left_out = int(document.get("parts_left_out") or 0)
    count = len(parts) + left_out
    show.say()
    show.say("What is in it" + (f": {count} parts" if count > 1 else ""))
    remarks = _Remarks(document)
    for part, lead, below in _led(parts):
        placement = str(part.get("placement", "?"))
        said = list(remarks.about(part))
        show.hanging(
            f"{_INDENT}{lead}{placement} ", _words(part, has_digest_below=bool(said)), rest=f"{_INDENT}{below}  "
        )
        for mark, words in [*said, *_other_names(part)]:
            show.hanging(f"{_INDENT}{below}  {mark} ", words, rest=f"{_INDENT}{below}    ")
        if said and part.get("sha256"):
            # In one piece, to be copied into a rule.
            show.say(f"{_INDENT}{below}  · sha256 {part['sha256']}")
    if left_out:
        others = list(remarks.elsewhere({str(each.get("placement")) for each in parts}))
        show.say(f"{_INDENT}and {left_out} more" + (", of which only this is told:" if others else ""))
        for placement, mark, words in others:
            show.hanging(f"{_INDENT}{placement} {mark} ", words, rest=f"{_INDENT}    ")


def _led(parts: Sequence[Document]) -> Iterator[tuple[Document, str, str]]:
    """Yield each part with the lines that lead to it, and those that go on below it."""
    paths = [tuple(str(each.get("placement", "?")).split("/")) for each in parts]
    last: dict[tuple[str, ...], tuple[str, ...]] = {path[:-1]: path for path in paths}
    inner = set(last)
    for part, path in zip(parts, paths, strict=True):
        ancestors = [path[: length + 1] for length in range(1, len(path) - 1)]
        above = "".join("  " if last.get(each[:-1]) == each else "│ " for each in ancestors)
        is_last = last[path[:-1]] == path
        own = ("└ " if is_last else "├ ") if len(path) > 1 else ""
        after = ("  " if is_last else "│ ") if len(path) > 1 else ""
        yield part, _cut(above) + own, _cut(above) + after + ("│ " if path in inner else "  ")


def _cut(lines: str) -> str:
    return lines if len(lines) <= _DEEPEST else "… " + lines[-_DEEPEST:]


def _words(part: Document, *, has_digest_below: bool) -> str:
    """Return ``“a.zip”, application/zip, .zip, 1.2 kB, sha256 ab12cd34…, ENCRYPTED, read as boundary Y``."""
    size, digest = part.get("size"), str(part.get("sha256") or "")
    words = [
        *(f"“{name}”" for name in (part.get("names") or [])[:1]),
        " or ".join(part.get("types") or []),
        " ".join(f".{kind}" for kind in part.get("kinds") or []),
        show.octets(size) if isinstance(size, int) else "",
        f"sha256 {digest[:_SHORT_DIGEST]}…" if digest and not has_digest_below else "",
        *(str(flag).upper() for flag in part.get("flags") or []),
        f"read as {part['reading']}" if part.get("reading") else "",
    ]
    return ", ".join(word for word in words if word) or "-"


def _other_names(part: Document) -> Iterator[tuple[str, str]]:
    others = (part.get("names") or [])[1:]
    if others:
        yield "·", "also “" + "”, “".join(others) + "”"


class _Remarks:
    """What is said of each part, in the order of the checks."""

    def __init__(self, document: Document) -> None:
        self._rulings: dict[str, list[Document]] = {}
        self._findings: dict[str, list[Document]] = {}
        self._names = {
            str(each.get("placement")): str((each.get("names") or [""])[0])
            for each in document.get("parts") or []
            if isinstance(each, Mapping)
        }
        rulings = document.get("rulings")
        for each in rulings or []:
            self._rulings.setdefault(str(each.get("part")), []).append(each)
        self._everybody = set(document.get("recipients") or [])
        for each in (each for each in document.get("findings") or [] if isinstance(each, Mapping)):
            is_ruled = rulings is not None and each.get("category") == "banned"
            if each.get("part") and each.get("category") != "clean" and not is_ruled:
                self._findings.setdefault(str(each["part"]), []).append(each)

    def about(self, part: Document) -> Iterator[tuple[str, str]]:
        """Yield a mark and words for each remark about a part."""
        placement, detail = str(part.get("placement")), str(part.get("detail") or "")
        is_told = False
        for finding in self._findings.get(placement, []):
            is_told = is_told or bool(detail and detail in str(finding.get("detail")))
            yield "!", _finding_words(finding, name=self._names.get(placement, ""), detail=detail)
        for ruling in self._rulings.get(placement, []):
            yield self._ruled(ruling)
        if detail and not is_told:
            yield "·", detail

    def elsewhere(self, shown: set[str]) -> Iterator[tuple[str, str, str]]:
        """Yield what is said of parts that are not shown."""
        for placement in dict.fromkeys([*self._findings, *self._rulings]):
            if placement not in shown:
                for finding in self._findings.get(placement, []):
                    yield placement, "!", _finding_words(finding)
                for ruling in self._rulings.get(placement, []):
                    mark, words = self._ruled(ruling)
                    yield placement, mark, f"{words}: {ruling.get('detail')}"

    def _ruled(self, ruling: Document) -> tuple[str, str]:
        is_ban = ruling.get("action") == "ban"
        rule = f"{'BANNED' if is_ban else 'allowed'} by “{ruling.get('rule')}” of {ruling.get('set')}"
        words = [rule, self._matched(ruling)]
        if ruling.get("destiny"):
            words.append(f"destiny {ruling['destiny']}")
        if set(ruling.get("recipients") or []) != self._everybody:
            words.append(f"for {_some(ruling.get('recipients') or [])}")
        return "!" if is_ban else "+", ", ".join(word for word in words if word)

    def _matched(self, ruling: Document) -> str:
        matched = str(ruling.get("matched") or "")
        if matched == str(ruling.get("part")):
            return ""
        name = self._names.get(matched)
        return f"because it is in {matched}" + (f" “{name}”" if name else "")


def _finding_words(finding: Document, *, name: str = "", detail: str = "") -> str:
    """Return ``unchecked, over limits: a member is cut short``, without what the line above says already."""
    category, minor = str(finding.get("category") or ""), str(finding.get("minor") or "")
    check, said = str(finding.get("check") or ""), str(finding.get("detail") or "")
    if detail and said.endswith(f": {detail}"):
        said = detail
    if said in (minor, name, f"part {finding.get('part')}"):
        said = ""
    by = "" if check in ("parts", category) else f"{check}: "
    rule = f", rule “{finding['rule']}”" if finding.get("rule") and not said.startswith(str(finding["rule"])) else ""
    head = ", ".join(word for word in (category.upper(), minor) if word)
    return by + head + (f": {said}" if said else "") + rule


def _some(addresses: Sequence[Any]) -> str:
    shown = ", ".join(f"<{each}>" for each in addresses[:_MOST_RECIPIENTS])
    more = len(addresses) - _MOST_RECIPIENTS
    return f"{shown} and {more} more" if more > 0 else shown
