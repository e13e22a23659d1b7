# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings from the environment, for containers: ``MILTERGUARD_SECTION_KEY`` and ``MILTERGUARD_SECTION_KEY_FILE``.

A variable that starts like ours and is none is an error as an unknown key of the file is: it is a
slip that would else stay unnoticed. What Kubernetes and Docker set by themselves for a service or a
linked container of our name is left alone.

*Errors:* ConfigError, whose file is ``environment NAME``; the content of a ``_FILE`` is never shown.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from milterguard.config.schema import PREFIX, Entry, entries
from milterguard.config.value import Mismatch, convert, from_text, suggestion
from milterguard.core.text import printable
from milterguard.errors import ConfigError

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
_FILE = "_FILE"
_NOT_OURS = re.compile(rf"{PREFIX}(?:SERVICE_(?:HOST|PORT)|PORT|NAME\Z|ENV_)")
_LARGEST_FILE = 65536


def read_environment(environ: Mapping[str, str]) -> Iterator[tuple[Entry, Any, str]]:
    """Yield each setting that the environment gives, converted, with its origin; raises ConfigError."""
    variables = {entry.variable: entry for entry in entries().values()}
    for name in sorted(name for name in environ if name.startswith(PREFIX) and name != CONFIG_VARIABLE):
        origin = f"environment {printable(name, 100)}"
        if name in variables:
            entry = variables[name]
            yield entry, _converted(entry, environ[name], origin=origin), origin
        elif name.endswith(_FILE) and name.removesuffix(_FILE) in variables:
            entry = variables[name.removesuffix(_FILE)]
            if entry.variable in environ:
                raise ConfigError(origin, entry.name, expected=f"no {entry.variable} beside it", got="both")
            yield (
                entry,
                _converted(entry, _content(entry, environ[name], origin=origin), origin=origin, hide=True),
                origin,
            )
        elif not _NOT_OURS.match(name):
            raise ConfigError(origin, "", expected="the name of a setting", got=_unknown(name, variables))


def _converted(entry: Entry, text: str, *, origin: str, hide: bool = False) -> Any:
    try:
        return convert(entry, from_text(entry, text))
    except Mismatch as mismatch:
        got = "something else in that file (not shown)" if hide else mismatch.got
        key = f"{entry.name}.{mismatch.inner}" if mismatch.inner else entry.name
        raise ConfigError(origin, key, expected=mismatch.expected, got=got) from None


def _content(entry: Entry, name: str, *, origin: str) -> str:
    """Return what the named file holds, without the line end that editors put there."""
    try:
        with Path(name).open("rb") as file:
            octets = file.read(_LARGEST_FILE + 1)
        if len(octets) > _LARGEST_FILE:
            raise ConfigError(origin, entry.name, expected=f"at most {_LARGEST_FILE} octets in the file", got="more")
        return octets.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigError(origin, entry.name, expected="UTF-8 in the file", got="other octets") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "no file name"
        raise ConfigError(origin, entry.name, expected="the name of a readable file", got=reason) from None


def _unknown(name: str, variables: Mapping[str, Entry]) -> str:
    word = name.removeprefix(PREFIX)
    known = {variable.removeprefix(PREFIX).lower(): variable for variable in variables}
    near = suggestion(word, known)
    for short, variable in known.items():
        near = near.replace(f'"{short}"', f'"{variable}"')
    return f"an unknown one{near}"
