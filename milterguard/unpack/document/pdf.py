# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks into PDF: files in it, JavaScript, and what it does by itself when it is opened.

All objects are gone through rather than the trees that lead to them: what a reader finds by repairing
is found as well. What opens at a place of its own (GoTo, Named) is not an action here, nor is a button.

*Source:* ISO 32000-1 sections 7.11.4 (embedded files), 12.6 (actions), 12.6.4.16 (JavaScript).

*Errors:* Undecodable where it looks like a PDF and qpdf cannot repair it.
"""

import io
import re
from collections.abc import Iterator

import pikepdf

from milterguard.core.part import Flag
from milterguard.unpack.document.flate import inflated
from milterguard.unpack.quota import Quota
from milterguard.unpack.source import Child, Find, Note, Source, Undecodable

_MAX_OBJECTS = 100_000
_MAX_FILES = 10_000
_MAX_DEPTH = 8
_MAX_NODES = 2000
_HINT = re.compile(rb"/(?:JS|JavaScript|EF|OpenAction|AA|Launch|XFA)\b")
_TELLING = re.compile(rb"\d\s+obj\b")
_HEAD_BYTES = 1 << 20
_HARMLESS = ("/GoTo", "/Named", "/Hide", "/SetOCGState", "/GoTo3DView", "/Trans", "/Thread")
_STREAM_KEYS = ("/UF", "/F", "/DOS", "/Mac", "/Unix")
_SCRIPTED = frozenset({Flag.JAVASCRIPT})
_ACTING = frozenset({Flag.AUTOACTION})
_EMBEDDING = frozenset({Flag.EMBEDDED})
# Opened by the reader, or shown: nobody has to do anything.
_OWN_ACCORD = ("/O", "/PO", "/PV", "/PI", "/WC", "/WS", "/DS", "/WP", "/DP")


def preload() -> None:
    """Have the library do once what it does later, so that nothing has to be fetched behind the seal."""
    made = io.BytesIO()
    with pikepdf.new() as empty:
        empty.save(made)
    made.seek(0)
    with pikepdf.open(made) as opened:
        for each in opened.objects:
            each.unparse()


def look(source: Source, _quota: Quota) -> Iterator[Find]:
    """Yield its flags, then the files in it."""
    document, flags = _open(source)
    if document is None:
        if flags:
            yield Note(flags, "needs a password")
        return
    with document:
        if flags:
            yield Note(flags, "encrypted, opened with a word of the mail")
        yield from _look(document)


def _open(source: Source) -> tuple[pikepdf.Pdf | None, frozenset[Flag]]:
    for password in ("", *source.passwords):
        try:
            document = pikepdf.open(source.file(), password=password)
        except pikepdf.PasswordError:
            continue
        except pikepdf.PdfError as error:
            if _TELLING.search(source.read(0, _HEAD_BYTES)):
                raise Undecodable("a PDF that is broken") from error
            return None, frozenset()
        return document, frozenset({Flag.ENCRYPTED, Flag.MAIL_PASSWORD}) if password else frozenset()
    return None, frozenset({Flag.ENCRYPTED})


def _look(document: pikepdf.Pdf) -> Iterator[Find]:
    told: set[Flag] = set()
    seen: set[tuple[int, int]] = set()
    for number, each in enumerate(document.objects):
        if number >= _MAX_OBJECTS:
            yield Note(frozenset({Flag.OVER_LIMITS}), f"more than {_MAX_OBJECTS} objects")
            return
        for dictionary in _telling(each):
            flags = frozenset(_flags(dictionary)) - told
            if flags:
                told |= flags
                yield Note(flags)
            if "/EF" in dictionary:
                for child in _files(dictionary, seen, is_hidden=document.is_encrypted):
                    yield Note(_EMBEDDING)
                    yield child
        if len(seen) > _MAX_FILES:
            yield Note(frozenset({Flag.OVER_LIMITS}), f"more than {_MAX_FILES} files")
            return


def _telling(found: pikepdf.Object) -> Iterator[pikepdf.Object]:
    """Yield the dictionaries in an object, if it may have something to tell; references are not followed."""
    top = found.stream_dict if isinstance(found, pikepdf.Stream) else found
    if not isinstance(top, pikepdf.Dictionary | pikepdf.Array) or not _HINT.search(top.unparse(resolved=True)):
        return
    waiting: list[tuple[pikepdf.Object, int]] = [(top, 0)]
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        node, depth = waiting.pop()
        if isinstance(node, pikepdf.Dictionary):
            yield node
        if depth < _MAX_DEPTH:
            inner = node.as_list() if isinstance(node, pikepdf.Array) else [value for _, value in node.items()]
            waiting += [
                (value, depth + 1)
                for value in inner
                if isinstance(value, pikepdf.Dictionary | pikepdf.Array) and not value.is_indirect
            ]


def _flags(dictionary: pikepdf.Object) -> Iterator[Flag]:
    action = str(dictionary.get("/S", ""))
    if action == "/JavaScript" or "/JS" in dictionary or _is_scripted_form(dictionary):
        yield Flag.JAVASCRIPT
    if action == "/Launch":
        yield Flag.AUTOACTION
    if _acts(dictionary.get("/OpenAction")):
        yield Flag.AUTOACTION
    additional = dictionary.get("/AA")
    if isinstance(additional, pikepdf.Dictionary) and any(_acts(additional.get(key)) for key in _OWN_ACCORD):
        yield Flag.AUTOACTION


def _acts(action: object) -> bool:
    """Tell whether an action, or one that follows it, does more than show a place in the document."""
    waiting = [action]
    for _ in range(_MAX_DEPTH):
        if not waiting:
            break
        found = waiting.pop()
        if isinstance(found, pikepdf.Dictionary):
            if "/S" in found and str(found.get("/S")) not in _HARMLESS:
                return True
            following = found.get("/Next")
            waiting += list(following.as_list()) if isinstance(following, pikepdf.Array) else [following]
    return False


def _is_scripted_form(dictionary: pikepdf.Object) -> bool:
    """Tell whether it is a form in XML with scripts, as far as its beginning shows."""
    form = dictionary.get("/XFA")
    pieces = form.as_list() if isinstance(form, pikepdf.Array) else [form]
    streams = [piece for piece in list(pieces)[:64] if isinstance(piece, pikepdf.Stream)]
    return any(b"<script" in block for stream in streams for block in _some(stream))


def _some(stream: pikepdf.Object) -> Iterator[bytes]:
    for index, block in enumerate(_blocks(stream)):
        if index >= 16:
            return
        yield block


def _files(dictionary: pikepdf.Object, seen: set[tuple[int, int]], *, is_hidden: bool) -> Iterator[Child]:
    """Yield the files of a file specification, each stream of the document once."""
    names = tuple(dict.fromkeys(filter(None, (_text(dictionary.get(key)) for key in _STREAM_KEYS))))
    files = dictionary.get("/EF")
    if not isinstance(files, pikepdf.Dictionary):
        return
    for key in files.keys():  # noqa: SIM118  (iterating it gives no keys)
        stream = files.get(key)
        if isinstance(stream, pikepdf.Stream) and stream.objgen not in seen:
            seen.add(stream.objgen)
            yield Child(names, _blocks(stream), is_hidden=is_hidden or not _is_plain(stream))


def _text(value: object) -> str:
    return str(value) if isinstance(value, pikepdf.String) else ""


def _filters(stream: pikepdf.Object) -> list[str]:
    found = stream.get("/Filter")
    if isinstance(found, pikepdf.Array):
        return [str(each) for each in found.as_list()]
    return [] if found is None else [str(found)]


def _is_plain(stream: pikepdf.Object) -> bool:
    return _filters(stream) in ([], ["/FlateDecode"], ["/Fl"]) and stream.get("/DecodeParms") is None


def _blocks(stream: pikepdf.Object) -> Iterator[bytes]:
    """Yield the octets of a stream. A chain of filters is decoded at once: the limit on memory guards it."""
    if not _is_plain(stream):
        yield stream.read_bytes()
        return
    raw = stream.read_raw_bytes()
    yield from inflated(raw) if _filters(stream) else (raw,)
