# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether messages can be taken apart here: libraries, the sealed child, and which of its seals hold.

*Source:* docs/inside.md for what each seal is good for.
"""

import io
import os
import tarfile
import time
from collections.abc import Callable

from milterguard.cli.probe import Row, Rows, State
from milterguard.config.settings import Checks
from milterguard.unpack import seal
from milterguard.unpack.box import Box, BoxError
from milterguard.unpack.member import Request

_TIMEOUT_SECONDS = 15.0
_SOUND = b"FORM\0\0\0\x20AIFF" + bytes(20)
"""Of a kind that only libmagic knows."""
_SOUND_KIND = "aif"
_MISSING = {
    seal.LIMITS: "memory, time and files of the child are not limited",
    seal.USER: "it keeps the rights of root",
    seal.LANDLOCK: "the kernel does not keep it from files (Linux 5.13 and later do, with landlock in its lsm= list)",
    seal.SECCOMP: "the kernel does not keep it from system calls (CONFIG_SECCOMP_FILTER, on a processor we know)",
}


def part_rows(checks: Checks) -> Rows:
    """Yield what can be said about looking into messages. Never raises."""
    if not checks.parts.enabled:
        text = "switched off: what is ambiguous, encrypted or over a limit passes as if it were not"
        yield Row("parts", State.WARNING, text, "set checks.parts.enabled = true")
    if not checks.banned.enabled:
        text = "switched off: no name and no type is banned"
        yield Row("banned", State.WARNING, text, "set checks.banned.enabled = true")
    if not (checks.parts.enabled or checks.banned.enabled):
        return
    missing = [row for row in (library_row(*each) for each in _LIBRARIES) if row.state is not State.OK]
    yield from missing
    if not missing:
        yield from _child_rows(checks)


def _child_rows(checks: Checks) -> Rows:
    parts = checks.parts
    box = Box(processes=1, memory_bytes=parts.memory_bytes, cpu_seconds=parts.cpu_seconds)
    try:
        yield seals_row(box.seals(deadline=time.monotonic() + _TIMEOUT_SECONDS))
        yield _opening_row(box)
    except BoxError as error:
        advice = "what stands above on standard error says why; mail with attachments is answered by on_failure"
        yield Row("sealed child", State.ERROR, str(error), advice)
    finally:
        box.close()


def seals_row(held: tuple[str, ...]) -> Row:
    text = "seals that hold: " + ", ".join(held)
    missing = [name for name in seal.ALL if name not in held]
    if not missing:
        return Row("sealed child", State.OK, text)
    advice = "; ".join(_MISSING[name] for name in missing) + ": the other seals hold, mail is looked into all the same"
    return Row("sealed child", State.WARNING, f"{text}; missing: {', '.join(missing)}", advice)


def _opening_row(box: Box) -> Row:
    """Have a sound file in an archive found, as what it is: that takes the child and both libraries."""
    leaf = os.memfd_create("probe")
    try:
        os.write(leaf, _archive())
        report = box.open(leaf, Request(kinds=("gz",)), deadline=time.monotonic() + _TIMEOUT_SECONDS)
    finally:
        os.close(leaf)
    kinds = [kind for member in report.members if member.names for kind in member.kinds]
    versions = ", ".join(library_row(*each).text for each in _LIBRARIES)
    if report.trouble or not kinds:
        text = f"could not be opened: {report.trouble or 'nothing was found'} ({versions})"
        return Row("archives", State.ERROR, text, "is checks.parts.memory_bytes large enough?")
    if _SOUND_KIND not in kinds:
        text = f"opened, but libmagic did not know what was in it ({versions})"
        return Row(
            "archives",
            State.WARNING,
            text,
            "types of files that few people send stay unknown; is its database there? apt install libmagic-mgc",
        )
    return Row("archives", State.OK, f"opened ({versions})")


def _archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("sound")
        member.size = len(_SOUND)
        archive.addfile(member, io.BytesIO(_SOUND))
    return packed.getvalue()


def library_row(name: str, package: str, version: Callable[[], str]) -> Row:
    """Return the version of a C library, or that it cannot be loaded."""
    try:
        return Row(name, State.OK, f"{name} {version()}")
    except (ImportError, OSError, AttributeError) as error:
        return Row(name, State.ERROR, f"cannot be loaded: {error}", f"apt install {package}")


def _libarchive() -> str:
    from libarchive import ffi

    number = int(ffi.version_number())
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _libmagic() -> str:
    import magic

    number = int(magic.version())
    return f"{number // 100}.{number % 100}"


_LIBRARIES = (("libarchive", "libarchive13", _libarchive), ("libmagic", "libmagic1", _libmagic))
