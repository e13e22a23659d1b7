# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes every file, every TCP port and every other process from this one, by a landlock ruleset without a rule.

*Source:* landlock(7), Linux's ``include/uapi/linux/landlock.h``; the numbers are the same on all architectures.
"""

import ctypes
import os

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_VERSION = 1
_FILES = {1: 13, 2: 14, 3: 15, 5: 16}
"""Since which ABI so many kinds of access to files are known, each a bit."""
_NETWORK = 0b11
"""To bind and to connect, TCP; since ABI 4."""
_SCOPES = 0b11
"""Abstract sockets and signals stay inside; since ABI 6."""


class _Attributes(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


def restrict(libc: ctypes.CDLL) -> bool:
    """Restrict this process, which must have given up new privileges; False where the kernel cannot."""
    abi = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if abi < 1:
        return False
    bits = max(number for since, number in _FILES.items() if since <= abi)
    attributes = _Attributes((1 << bits) - 1, _NETWORK if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    try:
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)
