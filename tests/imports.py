"""`python -m tests.imports PACKAGE`: import all modules of a package and print what they did.

Meant for a fresh interpreter. Prints one JSON object: how many `modules` there were, and `deeds`,
a sentence for each thing that happened and should not have.

Not imported: `__main__` modules, which are programs, and Alembic's `env.py`, which Alembic runs.
Modules that only Django may import (models, migrations, admin sites) say so themselves while
Django is not configured; that is the law at work and no deed.
"""

import importlib
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("__main__", "env")
OURS = ("trivet", "departures")
ACTS = {
    "sqlite3.connect": "opened a SQLite database",
    "socket.connect": "opened a connection",
    "socket.bind": "opened a port",
    "subprocess.Popen": "started a process",
    "os.fork": "forked",
}


def main(package: str) -> None:
    """Import everything and print the result."""
    deeds: list[str] = []
    names = list(_modules(package))
    _watch(deeds)
    for name in names:
        before = len(deeds)
        _import(name, deeds)
        deeds[before:] = [f"importing {name} {deed}" for deed in deeds[before:]]
    deeds.extend(_left_behind())
    print(json.dumps({"modules": len(names), "deeds": deeds}))  # noqa: T201


def _modules(package: str) -> Iterator[str]:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    home = Path(spec.origin).parent
    for path in sorted(home.rglob("*.py")):
        parts = [package, *path.relative_to(home).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        if parts[-1] not in PROGRAMS:
            yield ".".join(parts)


def _import(name: str, deeds: list[str]) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:
        if type(error).__name__ not in {"ImproperlyConfigured", "AppRegistryNotReady"}:
            raise
        from django.conf import settings

        if settings.configured:
            deeds.append("configured Django")


def _watch(deeds: list[str]) -> None:
    def hook(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in ACTS:
            deeds.append(ACTS[event])

    sys.addaudithook(hook)
    _watch_engines(deeds)
    _watch_environment(deeds)


def _watch_engines(deeds: list[str]) -> None:
    from sqlalchemy import Engine

    original = Engine.__init__

    def opened(self: Engine, *args: Any, **kwargs: Any) -> None:
        deeds.append("made an engine")
        original(self, *args, **kwargs)

    Engine.__init__ = opened  # type: ignore[method-assign]


def _watch_environment(deeds: list[str]) -> None:
    """Every way to the environment (`[]`, `get`, `in`, `items`) ends in one of three methods."""
    environment = type(os.environ)

    def watched(name: str) -> None:
        original = getattr(environment, name)

        def method(self: Any, *args: Any) -> Any:
            if reader := _reader():
                deeds.append(f"read the environment in {reader}")
            return original(self, *args)

        setattr(environment, name, method)

    for name in ("__getitem__", "__iter__", "__len__"):
        watched(name)


def _reader() -> str | None:
    """Who asks, when it is ours. Libraries may read what they like at their own import."""
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__") in {"os", "collections.abc"} and frame.f_back:
        frame = frame.f_back
    name = str(frame.f_globals.get("__name__"))
    return name if name.startswith(OURS) else None


def _left_behind() -> Iterator[str]:
    if "django.conf" in sys.modules and sys.modules["django.conf"].settings.configured:
        yield "Django is configured after all imports"
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            yield f"the thread {thread.name} runs after all imports"


if __name__ == "__main__":
    main(sys.argv[1])
