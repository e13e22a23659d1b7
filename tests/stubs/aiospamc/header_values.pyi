# SPDX-License-Identifier: GPL-3.0-or-later
from collections import UserDict
from typing import Any

class SpamValue:
    value: bool
    score: float
    threshold: float

class Headers(UserDict[str, Any]):
    user: str | None
