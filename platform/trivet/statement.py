"""What a statement of SQL does, told from its text.

No hook of SQLAlchemy's sees every way to the database with its tables; at the cursor there is
the text alone. It is no parser: what it cannot tell, it says, and the caller decides.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_NOISE = re.compile(r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$""", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"]|"")*"|\w+|[.;(]')
_ANYWHERE = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
"""Verbs that a CTE may hide behind a SELECT."""
_FIRST = frozenset({"REPLACE", "TRUNCATE", "COPY", "ALTER", "DROP", "DO", "CALL"})
"""Verbs that begin a statement, and are mere names inside of one."""
_BETWEEN = frozenset(
    {"OR", "IGNORE", "REPLACE", "ABORT", "FAIL", "ROLLBACK", "INTO", "FROM", "ONLY"}
)
"""What may stand between a verb and its table."""


@dataclass(frozen=True, slots=True)
class Write:
    """One writing verb of a statement, and its table; None if that cannot be told."""

    verb: str
    table: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """What a statement writes, in its order, nothing if it only reads; and every name in it."""

    writes: tuple[Write, ...]
    names: frozenset[str]


@lru_cache(maxsize=4096)
def read_statement(sql: str) -> Statement:
    """What `sql` does. Remembered by its text, so that a repeated statement costs a look into
    a dictionary."""
    tokens = _TOKEN.findall(_NOISE.sub(" ", sql))
    writes = tuple(
        Write(verb, _target(tokens, position) if verb in _ANYWHERE else None)
        for position, verb in _verbs(tokens)
    )
    return Statement(writes, frozenset(map(_name, tokens)) if writes else frozenset())


def _verbs(tokens: list[str]) -> Iterator[tuple[int, str]]:
    words = [token.upper() for token in tokens]
    for position, word in enumerate(words):
        before = words[position - 1] if position else ";"
        is_lock = word == "UPDATE" and before in {"FOR", "KEY", "DO"}
        if (word in _ANYWHERE and not is_lock) or (word in _FIRST and before == ";"):
            yield position, word


def _target(tokens: list[str], position: int) -> str | None:
    """The table behind a verb; None if it cannot be told."""
    rest = iter(range(position + 1, len(tokens)))
    at = next((i for i in rest if tokens[i].upper() not in _BETWEEN), None)
    while at is not None and at + 2 < len(tokens) and tokens[at + 1] == ".":
        at += 2  # a schema stands before the name
    return None if at is None or tokens[at] in {".", ";", "("} else _name(tokens[at])


def _name(token: str) -> str:
    """A name as the database understands it: without quotes, or folded."""
    return token[1:-1].replace('""', '"') if token.startswith('"') else token.lower()
