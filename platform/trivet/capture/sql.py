"""What a statement of SQL does, told from its text.

No hook of SQLAlchemy's sees every way to the database with its tables; at the cursor there is
the text alone. It is no parser: what it cannot tell, it says, and the caller decides.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_NOISE = re.compile(
    r"""("(?:[^"]|"")*")"""  # a quoted name, which stays
    r"""|--[^\n]*|/\*.*?\*/|\bE'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\$(\w*)\$.*?\$\2\$""",
    re.DOTALL | re.IGNORECASE,
)
_TOKEN = re.compile(r'"(?:[^"]|"")*"|\w+|[^\s\w]')
_FOLLOWED = {"INSERT": {"INTO", "OR"}, "DELETE": {"FROM"}, "MERGE": {"INTO"}}
"""Verbs that a CTE may hide behind a SELECT, and what comes next if they are no names."""
_BEGINNING = frozenset({";", "(", ")", "ANALYZE"})
"""What stands before a verb. After a dot, a comma or AS it is a name."""
_FIRST = frozenset(
    {"REPLACE", "TRUNCATE", "ALTER", "DROP", "DO", "CALL", "PREPARE", "EXECUTE", "COPY"}
)
"""Verbs that begin a statement, and are mere names inside of one."""
_READING = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN"})
_TARGETED = frozenset({*_FOLLOWED, "UPDATE"})
_BETWEEN = frozenset(
    {"OR", "IGNORE", "REPLACE", "ABORT", "FAIL", "ROLLBACK", "INTO", "FROM", "ONLY"}
)
"""What may stand between a verb and its table."""
_UPDATE_REACH = 12
"""Words between UPDATE and its SET, at most."""


@dataclass(frozen=True, slots=True)
class Write:
    """One writing verb of a statement, and its table; None if that cannot be told."""

    verb: str
    table: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """What a statement writes, in its order; every name in it, if it writes; and whether it is
    a plain query, which neither writes nor makes or sets anything."""

    writes: tuple[Write, ...]
    names: frozenset[str]
    is_query: bool


@lru_cache(maxsize=4096)
def read_statement(sql: str) -> Statement:
    """What `sql` does. Remembered by its text, so that a repeated statement costs a look into
    a dictionary."""
    tokens = _TOKEN.findall(_NOISE.sub(lambda found: found[1] or " ", sql))
    words = [token.upper() for token in tokens]
    writes = tuple(
        Write(verb, _target(tokens, position) if verb in _TARGETED else None)
        for position, verb in _verbs(words)
    )
    begins = next((word for word in words if word != "("), "")
    return Statement(
        writes,
        frozenset(map(_name, tokens)) if writes else frozenset(),
        is_query=begins in _READING and "INTO" not in words and not writes,
    )


def _verbs(words: list[str]) -> Iterator[tuple[int, str]]:
    for position, word in enumerate(words):
        before = words[position - 1] if position else ";"
        after = words[position + 1] if position + 1 < len(words) else ";"
        if before not in _BEGINNING:
            continue
        if word == "COPY":
            is_verb = before == ";" and after != "(" and "FROM" in words
        elif word == "UPDATE":
            is_verb = "SET" in words[position : position + _UPDATE_REACH]
        elif word in _FOLLOWED:
            is_verb = after in _FOLLOWED[word]
        else:
            is_verb = before == ";" and word in _FIRST
        if is_verb:
            yield position, word


def _target(tokens: list[str], position: int) -> str | None:
    """The table behind a verb; None if it cannot be told."""
    rest = iter(range(position + 1, len(tokens)))
    at = next((i for i in rest if tokens[i].upper() not in _BETWEEN), None)
    while at is not None and at + 2 < len(tokens) and tokens[at + 1] == ".":
        at += 2  # a schema stands before the name
    is_name = at is not None and (tokens[at].startswith('"') or tokens[at].isidentifier())
    return _name(tokens[at]) if at is not None and is_name else None


def _name(token: str) -> str:
    """A name as the database understands it: without quotes, or folded."""
    return token[1:-1].replace('""', '"') if token.startswith('"') else token.lower()
