"""The texts that stand under the attributes of a class, as people document them.

Python forgets a string literal that follows an attribute, so the source is read. A class without a
source (made at run time, or shipped compiled) has none.
"""

import ast
import functools
import inspect
import linecache
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise


def attribute_texts(model: type[object]) -> dict[str, str]:
    """The text under each attribute of a class and of those that it inherits from."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__[:-1]):
        found |= _own_texts(each)
    return found


def _own_texts(model: type[object]) -> Mapping[str, str]:
    if model.__module__.partition(".")[0] in ("sqlalchemy", "builtins"):
        return {}
    try:
        file = inspect.getsourcefile(model)
    except (OSError, TypeError):
        return {}
    if file is None:
        return {}
    linecache.checkcache(file)
    lines = linecache.getlines(file, vars(sys.modules[model.__module__]))
    return _texts_in("".join(lines)).get(model.__qualname__, {})


# `inspect.getsource` would read the whole file again for each class in it, which was a tenth of a
# server's start. As many files as have the classes of one model and its bases.
@functools.lru_cache(maxsize=16)
def _texts_in(source: str) -> Mapping[str, Mapping[str, str]]:
    """The texts of all classes of a module, by the qualified name of the class."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    found: dict[str, Mapping[str, str]] = {}
    for name, node in _classes(tree.body):
        found.setdefault(name, _texts_of(node))
    return found


def _classes(statements: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.ClassDef]]:
    for statement in statements:
        match statement:
            case ast.ClassDef(name=name):
                yield prefix + name, statement
                yield from _classes(statement.body, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from _classes(statement.body, f"{prefix}{name}.<locals>.")
            case _:
                for part in ("body", "orelse", "handlers", "finalbody"):
                    yield from _classes(getattr(statement, part, []), prefix)


def _texts_of(node: ast.ClassDef) -> Mapping[str, str]:
    return {
        name: inspect.cleandoc(text)
        for one, other in pairwise(node.body)
        if (name := _name(one)) and (text := _text(other))
    }


def _name(statement: ast.stmt) -> str | None:
    target: ast.expr | None = None
    if isinstance(statement, ast.AnnAssign):
        target = statement.target
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    return target.id if isinstance(target, ast.Name) else None


def _text(statement: ast.stmt) -> str | None:
    value = statement.value if isinstance(statement, ast.Expr) else None
    is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return str(value.value) if is_text and isinstance(value, ast.Constant) else None
