# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain names as the DNS has them: ASCII, small letters, no dot at the end.

*Source:* RFC 5890, 5891 (IDNA), 1035 section 2.3.4 (63 octets a label, 253 in all). *Errors:* none.
"""

import re

import idna

_MAX_OCTETS = 253
_MAX_CHARACTERS = 1000
"""More letters make no domain, whatever they are."""
_DOTS = {0x3002: ".", 0xFF0E: ".", 0xFF61: "."}
"""What separates labels in other scripts (RFC 3490 section 3.1)."""
_LABEL = re.compile(r"[a-z0-9_-]{1,63}\Z")
"""What mail knows; a dash at the end is no host name, but there are such."""


def ascii_domain(name: str) -> str | None:
    """Return a domain with A-labels; None for what is none. Never raises.

    Letters that cannot be seen, and others that IDNA does not know, make no domain.
    """
    if len(name) > _MAX_CHARACTERS:
        return None
    labels = [_ascii_label(label) for label in name.translate(_DOTS).removesuffix(".").split(".")]
    if not all(labels):
        return None
    domain = ".".join(labels)
    return domain if len(domain) <= _MAX_OCTETS else None


def _ascii_label(label: str) -> str:
    """Return one label in small letters; empty for what is none."""
    if not label or len(label) > _MAX_OCTETS:
        return ""
    if not label.isascii():
        try:
            label = idna.encode(label, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError, ValueError, IndexError):
            return ""
    label = label.lower()
    return label if _LABEL.match(label) else ""


def domain_of(address: str) -> str:
    """Return what stands behind the last ``@`` of an address; empty where there is none."""
    return address.rpartition("@")[2] if "@" in address else ""


def is_below(domain: str, other: str) -> bool:
    """Whether a domain is another one, or below it; everything is below the empty one."""
    return not other or domain == other or domain.endswith(f".{other}")
