"""The source of one module: what it imports, in the order that linters ask for, and its parts.

Parts may be added to a file that is there. Its imports are then written anew with those of the
parts, and the rest of the file stays as it is.
"""

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from trivet.errors import Invalid
from trivet_deploy.scaffold.folding import LINE, fold

ALIASES = {"datetime": "dt"}
"""Modules that are imported under another name, and which."""

_Import = ast.Import | ast.ImportFrom


@dataclass
class Source:
    """A module in the making.

    Attributes:
        own: The packages of the project, whose imports stand last.
        docstring: What the module says of itself.
        parts: Its functions and classes, or its statements.
        are_statements: Whether `parts` are statements of a line, which need no distance.
    """

    own: frozenset[str]
    docstring: str = ""
    parts: list[str] = field(default_factory=list)
    are_statements: bool = False
    _names: dict[str, set[str]] = field(default_factory=dict)
    _modules: set[str] = field(default_factory=set)

    def take(self, module: str, *names: str) -> None:
        """Import `names` of a module, or the module itself."""
        if names:
            self._names.setdefault(module, set()).update(names)
        else:
            self._modules.add(module)

    def render(self) -> str:
        """A new file."""
        head = [f'"""{self.docstring}"""'] if self.docstring else []
        if imports := self._render_imports():
            head.append(imports)
        return self._with_parts("\n\n".join(head))

    def add_to(self, path: Path) -> str:
        """The text of the file at `path`, with the imports and the parts. Raises Invalid for a
        file that is no Python."""
        text = path.read_text(encoding="utf-8")
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            detail = f"{path}:{error.lineno}: {error.msg}. Mend it, and try again."
            raise Invalid("file", detail) from error
        lines = text.rstrip().splitlines()
        block = [each for each in tree.body if isinstance(each, _Import)]
        if not block or not _is_plain(block, lines):
            # With comments or code between the imports, those of the parts stand behind them.
            at = (block[-1] if block else tree.body[0]).end_lineno if tree.body else 0
            before, after = lines[:at], lines[at:]
        else:
            self._read(block)
            before, after = lines[: block[0].lineno - 1], lines[block[-1].end_lineno :]
        imports = self._render_imports()
        return self._with_parts("\n".join([*before, *imports.splitlines(), *after]))

    def _with_parts(self, head: str) -> str:
        """The head of the file, and the parts at the distance that a formatter would give them."""
        head, apart = head.rstrip(), "\n" if self.are_statements else "\n\n\n"
        gap = "\n\n\n" if self.parts and self.parts[0].startswith(_BLOCKS) else "\n\n"
        if self.are_statements and head.rpartition("\n")[2].startswith(_KINDRED):
            gap = "\n"  # goes on where statements of its kind stand
        parts = apart.join(map(fold, self.parts))
        return f"{gap.join(filter(None, [head, parts]))}\n"

    def _read(self, block: Iterable[_Import]) -> None:
        for each in block:
            names = [f"{a.name} as {a.asname}" if a.asname else a.name for a in each.names]
            if isinstance(each, ast.Import):
                self._modules.update(alias.name for alias in each.names)
            else:
                self.take(each.module or "", *names)

    def _render_imports(self) -> str:
        sections: list[list[str]] = [[], [], []]
        for module in sorted(self._modules, key=str.lower):
            alias = f" as {ALIASES[module]}" if module in ALIASES else ""
            sections[self._section(module)].append(f"import {module}{alias}")
        for module in sorted(self._names, key=str.lower):
            sections[self._section(module)].append(_line_of(module, self._names[module]))
        return "\n\n".join("\n".join(each) for each in sections if each)

    def _section(self, module: str) -> int:
        root = module.partition(".")[0]
        if root in self.own:
            return 2
        return 0 if root in sys.stdlib_module_names else 1


_BLOCKS = ("@", "class ", "def ")
_KINDRED = ("router.include_router(", "live(")


def _is_plain(block: list[_Import], lines: list[str]) -> bool:
    """Whether nothing but imports stands between the first and the last of them, and none is of a
    kind that is not written here."""
    covered = {n for each in block for n in range(each.lineno, (each.end_lineno or 0) + 1)}
    between = range(block[0].lineno, (block[-1].end_lineno or 0) + 1)
    if any(lines[n - 1].strip() for n in between if n not in covered):
        return False
    if any("#" in lines[n - 1] or each.col_offset for each in block for n in [each.lineno]):
        return False
    return all(
        ALIASES.get(alias.name) == alias.asname
        for each in block
        if isinstance(each, ast.Import)
        for alias in each.names
    )


def _line_of(module: str, names: Iterable[str]) -> str:
    ordered = sorted(names, key=_place)
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= LINE:
        return line
    inside = "".join(f"    {name},\n" for name in ordered)
    return f"from {module} import (\n{inside})"


def _place(name: str) -> tuple[int, str]:
    """Constants first, then classes, then functions, each by the alphabet."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1 if name[:1].isupper() else 2), name.lower()
