# SPDX-License-Identifier: GPL-3.0-or-later
"""A dataclass field that carries its own manual entry.

One place says name, type, default, unit and meaning of a setting; the loader validates with it, the
sample configuration and ``docs/settings.md`` are generated from it.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Any


def setting(
    default: Any,
    help: str,  # noqa: A002  (what every manual calls it)
    *,
    amavis: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    secret: bool = False,
    per: str = "recipient",
) -> Any:
    """Return a dataclass field with help text, amavis' name and bounds in its metadata.

    ``per`` tells where a policy setting may stand: ``recipient`` (also in ``[[recipient]]``) or
    ``message`` (in ``[policy]`` only).
    """
    metadata: Mapping[str, Any] = {
        "help": help,
        "amavis": amavis,
        "minimum": minimum,
        "maximum": maximum,
        "secret": secret,
        "per": per,
    }
    return field(default=default, metadata=metadata)
