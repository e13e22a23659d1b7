# SPDX-License-Identifier: GPL-3.0-or-later
def preload() -> None: ...
def kinds_of(_head: bytes) -> tuple[str, ...]:
    return ("dat",)
