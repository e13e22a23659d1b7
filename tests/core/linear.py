# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether something takes linear time, told by this thread's processor time, so that a busy machine does not matter."""

import gc
import time
from collections.abc import Callable
from typing import Any

_SIZE = 30_000
_FACTOR = 4
_TOLERANCE = 2.5
_NOISE_SECONDS = 0.1


def is_linear(make: Callable[[int], Any], work: Callable[[Any], object], *, size: int = _SIZE) -> bool:
    """Whether four times the input takes about four times as long, not sixteen times; the best of three runs."""
    small, large = make(size), make(size * _FACTOR)
    limit = _FACTOR * _TOLERANCE * _best(work, small) + _NOISE_SECONDS
    return _best(work, large) < limit


def _best(work: Callable[[Any], object], value: object) -> float:
    return min(_seconds(work, value) for _ in range(3))


def _seconds(work: Callable[[Any], object], value: object) -> float:
    """Neither other threads count nor a collection of what other tests have left."""
    gc.disable()
    begin = time.thread_time()
    try:
        work(value)
        return time.thread_time() - begin
    finally:
        gc.enable()
