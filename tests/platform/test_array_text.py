"""Arrays as PostgreSQL reads them: every text comes back as it was."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.services.postgres import PostgresServer
from trivet.array_text import numbers, texts


@pytest.fixture(scope="module")
def connection(postgres: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.url("postgres")) as connection:
        yield connection


HARD = ["", "NULL", "null", '"', "\\", '\\"', "{a,b}", ",", " a ", "a\nb\tc", "é€𝄞", "%(a)s", "'"]


@pytest.mark.once
@pytest.mark.parametrize("given", [[], ["a"], HARD, [None], [*HARD, None], [None, "", None]])
def test_texts_come_back_as_they_were(
    connection: psycopg.Connection, given: list[str | None]
) -> None:
    (found,) = connection.execute("SELECT %s::text[]", [texts(given)]).fetchone() or ()
    assert found == given


@pytest.mark.once
def test_numbers_come_back_as_they_were(connection: psycopg.Connection) -> None:
    given = [0, -1, 2**63 - 1, -(2**63)]
    (found,) = connection.execute("SELECT %s::bigint[]", [numbers(given)]).fetchone() or ()
    assert found == given


@pytest.mark.parametrize("given", [["a\x00b"], ["a", "\x00"], ["\x00"]])
def test_a_text_that_cannot_be_stored_is_never_taken_for_two(given: list[str]) -> None:
    with pytest.raises(ValueError, match="NUL"):
        texts(given)
