"""The text of a generated revision, as a formatter of Python would leave it.

Alembic writes single quotes, lines of any length, and imports that a revision may need. Nobody has
written into the file yet, so nothing is lost when it is written anew from its syntax.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

from trivet_deploy.scaffold.folding import fold


def tidy(path: Path) -> None:
    """Write the file at `path` anew."""
    path.write_text(tidied(path.read_text(encoding="utf-8")), encoding="utf-8")


def tidied(text: str) -> str:
    """The text of a revision in double quotes and short lines, without imports of nothing."""
    tree = ast.parse(text)
    used = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
    kept = [each for each in tree.body[1:] if _is_used(each, used)]
    docstring = ast.get_docstring(tree) or ""
    blocks = [f'"""{docstring[:1].upper()}{docstring[1:]}"""\n']
    for before, each in zip([None, *kept], kept, strict=False):
        blocks.append(_gap(before, each) + fold(_in_double_quotes(ast.unparse(each))))
    return "\n".join(blocks) + "\n"


def _is_used(node: ast.stmt, used: set[str]) -> bool:
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return True
    return any((each.asname or each.name.partition(".")[0]) in used for each in node.names)


def _gap(before: ast.stmt | None, node: ast.stmt) -> str:
    """Empty lines before a statement."""
    if isinstance(node, ast.FunctionDef):
        return "\n\n"
    is_import = isinstance(node, ast.Import | ast.ImportFrom)
    was_import = isinstance(before, ast.Import | ast.ImportFrom)
    if is_import and was_import and _is_standard(before) == _is_standard(node):
        return ""
    return "" if before is None or (not is_import and not was_import) else "\n"


def _is_standard(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith("collections")


def _in_double_quotes(text: str) -> str:
    return tokenize.untokenize(_requoted(text)).removesuffix("\n")


def _requoted(text: str) -> Iterator[tokenize.TokenInfo]:
    for token in tokenize.generate_tokens(io.StringIO(f"{text}\n").readline):
        string = token.string
        is_plain = token.type == tokenize.STRING and string[0] == "'" and string[1:2] != "'"
        if is_plain and '"' not in string and "\\" not in string:
            quoted = f'"{string[1:-1]}"'
            yield tokenize.TokenInfo(token.type, quoted, token.start, token.end, token.line)
        else:
            yield token
