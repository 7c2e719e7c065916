"""The packages of the service, where they lie, and how a caller's own process may load them.

They import each other by their own names: `handler`, `storage` and so on. A project may have
packages of these names too, so here they are modules below `sqlatch._service`, and their imports
are led there. The path of imports stays as it is, and no name of a project is taken.
"""

import builtins
import importlib
import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = "sqlatch._service"
NAMES = frozenset({"events", "handler", "hrana", "locking", "sqlexec", "storage"})


def directory() -> Path:
    """The directory that holds them: in the wheel one of their own, in a checkout the root."""
    here = Path(__file__).parent
    packed = here / "_service"
    return packed if packed.is_dir() else here.parent


def load(name: str) -> ModuleType:
    """Load a module of the service, named as it names itself."""
    _made_root()
    return importlib.import_module(f"{ROOT}.{name}")


@cache
def _made_root() -> None:
    root = ModuleType(ROOT)
    root.__path__ = [str(directory())]
    sys.modules[ROOT] = root
    sys.meta_path.insert(0, _Finder())  # before the one that would find them without our loader


class _Finder:
    """Finds modules below the root, and no others."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not name.startswith(f"{ROOT}."):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = _BUILTINS
        super().exec_module(module)


def _import(
    name: str, of: Any = None, local: Any = None, names: Sequence[str] | None = (), level: int = 0
) -> ModuleType:
    """Do what the statement `import` does, in a module of the service."""
    first = name.partition(".")[0]
    if level or first not in NAMES:
        return builtins.__import__(name, of, local, names or (), level)
    if names:
        return builtins.__import__(f"{ROOT}.{name}", of, local, names, 0)
    load(name)
    return sys.modules[f"{ROOT}.{first}"]


_BUILTINS = {**vars(builtins), "__import__": _import}
