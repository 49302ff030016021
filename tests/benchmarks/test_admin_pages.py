"""The admin that is measured has the same options as its peer's."""

import ast
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def options_of(path: str) -> dict[str, dict[str, str]]:
    """The options of each admin class of a file, as they are written."""
    tree = ast.parse((BENCHMARKS / path).read_text(encoding="utf-8"))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return {
        each.name: {
            ast.unparse(line.targets[0]): ast.unparse(line.value)
            for line in each.body
            if isinstance(line, ast.Assign)
        }
        for each in classes
    }


def test_both_admins_have_the_same_options() -> None:
    ours, theirs = options_of("library/admin.py"), options_of("peers/django_admin/admin.py")
    assert ours.pop("PlainAdmin") == {}
    assert ours == theirs
    assert ours["BookAdmin"]["inlines"] == "(LoanInline,)"
