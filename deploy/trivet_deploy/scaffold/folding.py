"""Lines that are too long, folded at their brackets as formatters of Python do it."""

from collections.abc import Iterator

LINE = 100
_OPENING, _CLOSING = "([{", ")]}"


def fold(text: str) -> str:
    """The text with every line that is longer than `LINE` folded, as far as it has brackets."""
    return "\n".join(each for line in text.split("\n") for each in _fold_line(line))


def _fold_line(line: str) -> Iterator[str]:
    place = _last_brackets(line) if len(line) > LINE else None
    if place is None:
        yield line
        return
    start, end = place
    indent = line[: len(line) - len(line.lstrip())]
    inside, deeper = line[start + 1 : end], f"{indent}    "
    yield line[: start + 1]
    is_call = line[start - 1].isalnum() or line[start - 1] in "_)]"
    if is_call and len(deeper + inside) <= LINE:
        yield deeper + inside
    else:
        for each in _items(inside):
            yield from _fold_line(f"{deeper}{each},")
    yield indent + line[end:]


def _last_brackets(line: str) -> tuple[int, int] | None:
    """Where the last brackets of a line begin and end; None if nothing stands in them."""
    if line.count('"""') or not line.rstrip(",:").endswith(tuple(_CLOSING)):
        return None
    open_, last = [], None
    for at, sign in _signs(line):
        if sign in _OPENING:
            open_.append(at)
        elif sign in _CLOSING:
            last = (open_.pop(), at)
    return last if last and last[1] - last[0] > 1 else None


def _items(inside: str) -> list[str]:
    """What stands between the commas of the outermost level."""
    depth, start, found = 0, 0, []
    for at, sign in _signs(inside):
        depth += (sign in _OPENING) - (sign in _CLOSING)
        if sign == "," and depth == 0:
            found.append(inside[start:at].strip())
            start = at + 1
    return [*found, inside[start:].strip()] if inside[start:].strip() else found


def _signs(text: str) -> Iterator[tuple[int, str]]:
    """The signs of `text` outside of its strings, with their places."""
    quoted = False
    for at, sign in enumerate(text):
        if sign == '"':
            quoted = not quoted
        elif not quoted:
            yield at, sign
