"""The sources of a feature, read without running them.

Only what is written out is found: a name in quotes, the beginning of an f-string. What is computed
stays unknown, and nothing is said of it.
"""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from trivet.features import Feature
from trivet.source_files import shown

PLACEHOLDER = "\0"
"""Stands in a text for what an f-string puts in."""
_LEFT_OUT = frozenset({"migrations", "tests"})


@dataclass(frozen=True, slots=True)
class Call:
    """A call with a text among its arguments: the first one that is written out."""

    where: str
    text: str


def calls_in(feature: Feature, names: Collection[str]) -> Iterator[Call]:
    """The calls of functions and methods called one of `names` that get a text, file by file."""
    files = () if feature.only_classes else feature.folder.rglob("*.py")
    for path in sorted(files):
        if _LEFT_OUT & set(path.relative_to(feature.folder).parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue  # nobody imported it, or the start would have said so
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name_of(node.func) in names:
                text = next(filter(None, map(_text_of, node.args)), None)
                if text is not None:
                    yield Call(f"{shown(path)}:{node.lineno}", text)


def _name_of(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _text_of(argument: ast.expr) -> str | None:
    match argument:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text_of(part) or PLACEHOLDER for part in parts)
        case _:
            return None
