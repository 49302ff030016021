"""The text of SQL on SQLite, which keeps what it was given to the letter."""

import re

_PARTS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|\w+|\s+|.", re.DOTALL)


def plain(sql: str) -> str:
    """`sql` with one spelling of what SQLite does not distinguish: case and quotes of names,
    blanks, and parentheses around the whole."""
    parts = [_plain_part(each) for each in _PARTS.findall(sql) if not each.isspace()]
    return " ".join(_unwrapped(parts))


def words(sql: str) -> set[str]:
    """The words of `sql` that stand outside of quotes, in lower case."""
    return {each.lower() for each in _PARTS.findall(sql) if each[0] not in "'\"`["}


def _plain_part(part: str) -> str:
    if part[0] == "'":
        return part
    if part[0] in '"`[' and len(part) > 1:
        part = part[1:-1]
    return part.lower()


def _unwrapped(parts: list[str]) -> list[str]:
    while len(parts) > 1 and parts[0] == "(" and _closing(parts) == len(parts) - 1:
        parts = parts[1:-1]
    return parts


def _closing(parts: list[str]) -> int:
    """Where the parenthesis closes that opens at the start."""
    depth = 0
    for place, part in enumerate(parts):
        depth += (part == "(") - (part == ")")
        if depth == 0:
            return place
    return -1
