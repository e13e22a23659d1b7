# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides many messages again on all cores: documents go out in chunks, what changed comes back.

*Errors:* those of ``replay.py``; a process that dies is an error of ours, and nothing was touched.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice

from milterguard.config.settings import Settings
from milterguard.replay import Replay, Replayed

_CHUNK = 500
_AHEAD = 4
"""Chunks that wait for each process: the next one is there when the last is done, and memory stays bounded."""
_REPLAYS: list[Replay] = []
"""Of this process, made by ``_begin`` after the fork."""


def replayed(documents: Iterable[str], settings: Settings) -> Iterator[Replayed]:
    """Yield each message, decided again, in the order of the documents. Raises ConfigError, StoreError."""
    chunks = _chunks(documents)
    first = next(chunks, [])
    second = next(chunks, None)
    if second is None:
        replay = Replay(settings)
        try:
            yield from map(replay.again, first)
        finally:
            replay.close()
        return
    yield from _on_all_cores(chain((first, second), chunks), settings)


def _on_all_cores(chunks: Iterable[list[str]], settings: Settings) -> Iterator[Replayed]:
    workers = os.cpu_count() or 1
    # By fork, so that settings need not be pickled; no thread has been started yet.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(settings,)) as pool:
        waiting: deque[Future[list[Replayed]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_again, chunk))
            if len(waiting) > workers * _AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _chunks(documents: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(documents)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _begin(settings: Settings) -> None:
    _REPLAYS.append(Replay(settings))


def _again(chunk: list[str]) -> list[Replayed]:
    return [_REPLAYS[0].again(document) for document in chunk]
