"""`python -m tests.overridden_names`: private names that our classes share with those of libraries.

A class that is derived from a library's overrides a private member by having one of its name, and
shares a private attribute by using it on `self`. Nothing in the sources tells such a name from one
of our own; only the class that ours is derived from does. So all modules are imported, in a process
of their own, with Django set up.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from pydantic import SecretStr

from trivet_deploy.asgi import create_app
from trivet_settings import Settings

ROOTS = {
    "trivet": "platform",
    "trivet_api": "api",
    "trivet_admin": "admin",
    "trivet_realtime": "realtime",
    "trivet_settings": "settings",
    "trivet_deploy": "deploy",
}
APART = ("trivet_deploy.scaffold", "trivet.migrations.versions", "trivet.migrations.env")
"""Files for others to run."""
_PRIVATE = re.compile(r"_[^_]\w*")


def main() -> None:
    """Print each name with the file of our class and the package of the library's."""
    create_app(Settings(secret_key=SecretStr("a-secret-of-the-tests-that-guards-nothing-at-all")))
    for module in _modules():
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__ == module.__name__:
                for name, package in sorted(_shared_names(cls)):
                    print(_file_of(module), name, package)  # noqa: T201  # it is what is asked for


def _shared_names(cls: type) -> set[tuple[str, str]]:
    """The private names that `cls` and a library's class above it have, with the package."""
    own = _names_of(cls)
    return {
        (name, base.__module__.partition(".")[0])
        for base in cls.__mro__[1:]
        if _is_of_library(base)
        for name in own & _names_of(base)
    }


@cache
def _names_of(cls: type) -> frozenset[str]:
    """The private names that a class defines, and those that it uses on `self`."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # compiled, or made by nobody's text
        return frozenset(filter(_PRIVATE.fullmatch, vars(cls)))
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self":
            found.add(node.attr)
    return frozenset(filter(_PRIVATE.fullmatch, found))


def _is_of_library(cls: type) -> bool:
    package = cls.__module__.partition(".")[0]
    return package not in ROOTS and package not in sys.stdlib_module_names


def _modules() -> Iterator[ModuleType]:
    for package in ROOTS:
        top = importlib.import_module(package)
        yield top
        for found in pkgutil.walk_packages(top.__path__, f"{package}.", onerror=_fail):
            if not found.name.startswith(APART) and not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def _fail(name: str) -> None:
    raise ImportError(f"{name} cannot be imported")


def _file_of(module: ModuleType) -> str:
    path = (module.__file__ or "").replace("\\", "/")
    root = ROOTS[module.__name__.partition(".")[0]]
    return path[path.rindex(f"/{root}/trivet") + 1 :]


if __name__ == "__main__":
    main()
