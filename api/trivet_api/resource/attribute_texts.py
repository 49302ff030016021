"""The texts that stand under the attributes of a class, as people document them.

Python forgets a string literal that follows an attribute, so the source is read. A class without a
source (made at run time, or shipped compiled) has none.
"""

import ast
import inspect
import textwrap
from itertools import pairwise


def attribute_texts(model: type[object]) -> dict[str, str]:
    """The text under each attribute of a class and of those that it inherits from."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__[:-1]):
        found |= _own_texts(each)
    return found


def _own_texts(model: type[object]) -> dict[str, str]:
    if model.__module__.partition(".")[0] in ("sqlalchemy", "builtins"):
        return {}
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0] if tree.body else None
    if not isinstance(body, ast.ClassDef):
        return {}
    return {
        name: inspect.cleandoc(text)
        for one, other in pairwise(body.body)
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
