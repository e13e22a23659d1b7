# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m milterguard``, but coverage sees what libmilter's own threads run.

Python hands its trace function to threads that Python starts. libmilter's threads are not among those, so every
callback would count as never run. Here each callback takes the trace function itself before it goes on.
Used only under coverage; can go when Python 3.12 is the oldest supported and coverage uses ``sys.monitoring``.
"""

import runpy
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

Callback = Callable[..., Any]


def traced(callback: Callback) -> Callback:
    def run(*arguments: Any) -> Any:
        if sys.gettrace() is None:
            sys.settrace(threading.gettrace())
        return callback(*arguments)

    return run


class _Finder(MetaPathFinder):
    """Finds the module ``milter`` as ever, and lays ``traced`` round whatever is registered with it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == "milter" else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        for name in dir(module):
            if name == "register" or (name.startswith("set_") and name.endswith("_callback")):
                setattr(module, name, _registering(getattr(module, name)))


def _registering(register: Callback) -> Callback:
    def run(*arguments: Any, **named: Any) -> Any:
        return register(*map(_traced_if_callback, arguments), **{k: _traced_if_callback(v) for k, v in named.items()})

    return run


def _traced_if_callback(argument: Any) -> Any:
    return traced(argument) if callable(argument) else argument


if __name__ == "__main__":
    sys.meta_path.insert(0, _Finder())
    runpy.run_module("milterguard", run_name="__main__", alter_sys=True)
