"""The effect of an SQL statement, read from its text: the one lexer of both guards.

No hook of SQLAlchemy sees every way to the database together with the tables; the cursor sees only
the text. This is not a parser. It reports what it cannot tell, and each guard decides by its own
policy: `trivet.data.statement_guard` refuses what the capture would not see, the admin's
`backends.guard` allows what Django may do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_LEXEME = re.compile(
    r"""
    (?P<nothing>
        \s+ | --[^\n\r]*
      | /\*(?:(?!/\*|\*/).)*\*/                   # a comment without another one inside
      | \bE'(?:[^'\\]|\\.|'')*'                   # a literal with escapes
      | '(?:[^']|'')*'
      | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    )
  | (?P<opaque>
        /\* | ' | " (?=[^"]*\Z) | \bU&"           # no end, an end within, or coded characters
    )
  | (?P<token> "(?:[^"]|"")*" | \w[\w$]* | . )
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_FOLLOWED = {"INSERT": {"INTO", "OR"}, "DELETE": {"FROM"}, "MERGE": {"INTO"}}
"""Verbs that a CTE may hide behind a SELECT, each with the words that follow a verb."""
_BEGINNING = frozenset({";", "(", ")", "ANALYZE", "VERBOSE"})
"""The tokens that may precede a verb. After a dot, a comma or AS the word is a name."""
_FIRST = frozenset(
    {"REPLACE", "TRUNCATE", "ALTER", "DROP", "DO", "CALL", "PREPARE", "EXECUTE", "COPY"}
)
"""Verbs at the beginning of a statement. Inside a statement the words are names."""
_READING = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN"})
_TARGETED = frozenset({*_FOLLOWED, "UPDATE"})
_BETWEEN = frozenset(
    {"OR", "IGNORE", "REPLACE", "ABORT", "FAIL", "ROLLBACK", "INTO", "FROM", "ONLY"}
)
"""The words that may stand between a verb and its table."""
_UPDATE_REACH = 12
"""The largest number of words between UPDATE and its SET."""
_ENDING = frozenset({"COMMIT", "END", "ABORT", "ROLLBACK"})
_MARKS = frozenset({"WORK", "TRANSACTION"})
"""The words that may stand between ROLLBACK and its TO."""


@dataclass(frozen=True, slots=True)
class Write:
    """One writing verb of a statement, and its table without the schema; None if that cannot
    be told. `is_qualified` says that a schema was named."""

    verb: str
    table: str | None
    is_qualified: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """The effect of a statement.

    Attributes:
        words: Its words in upper case, quoted names with their quotes, signs; no comment and
            no literal.
        writes: What it writes, in its order.
        names: Every name in it in lower case, if it writes.
        is_query: It is a plain query, which neither writes nor makes or sets anything.
        ends_transaction: It commits or rolls back, and not to a savepoint.
        is_opaque: Part of it cannot be read: a comment inside a comment, a literal without an
            end, a name in coded characters. It counts as a write of an unknown table.
    """

    words: tuple[str, ...]
    writes: tuple[Write, ...]
    names: frozenset[str]
    is_query: bool
    ends_transaction: bool
    is_opaque: bool


@lru_cache(maxsize=4096)
def read_statement(sql: str) -> Statement:
    """The effect of `sql`. It is cached by the text, so that a repeated statement costs one lookup
    in a dictionary."""
    tokens: list[str] = []
    is_opaque = False
    for found in _LEXEME.finditer(sql):
        if found["token"]:
            tokens.append(found["token"])
        is_opaque = is_opaque or found["opaque"] is not None
    words = [token if token.startswith('"') else token.upper() for token in tokens]
    writes = tuple(
        Write(verb, *_target(tokens, words, position)) if verb in _TARGETED else Write(verb, None)
        for position, verb in _verbs(words)
    )
    if is_opaque:
        writes = (*writes, Write("?", None))
    begins = next((word for word in words if word != "("), "")
    return Statement(
        words=tuple(words),
        writes=writes,
        names=frozenset(_name(token).lower() for token in tokens) if writes else frozenset(),
        is_query=begins in _READING and "INTO" not in words and not writes,
        ends_transaction=_ends_transaction(words),
        is_opaque=is_opaque,
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


def _target(tokens: list[str], words: list[str], position: int) -> tuple[str | None, bool]:
    """The table behind a verb, None if it cannot be told, and whether a schema was named."""
    rest = range(position + 1, len(tokens))
    first = at = next((i for i in rest if words[i] not in _BETWEEN), None)
    while at is not None and at + 2 < len(tokens) and tokens[at + 1] == ".":
        at += 2  # a schema stands before the name
    is_name = at is not None and (tokens[at].startswith('"') or tokens[at].isidentifier())
    return (_name(tokens[at]) if at is not None and is_name else None), at != first


def _ends_transaction(words: list[str]) -> bool:
    # The body of a trigger or a function ends like that too.
    has_body = words[:1] == ["CREATE"] and "BEGIN" in words
    for position, word in enumerate(words):
        if position and words[position - 1] != ";":
            continue
        if word == "PREPARE" and words[position + 1 : position + 2] == ["TRANSACTION"]:
            return True
        if word in _ENDING and not (word == "END" and has_body):
            rest = [each for each in words[position + 1 : position + 3] if each not in _MARKS]
            if word != "ROLLBACK" or rest[:1] != ["TO"]:
                return True
    return False


def _name(token: str) -> str:
    """A name as the database understands it: without quotes, or folded."""
    return token[1:-1].replace('""', '"') if token.startswith('"') else token.lower()
