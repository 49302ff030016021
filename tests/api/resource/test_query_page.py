"""Every question that the page on queries shows can be asked."""

import re
from pathlib import Path

import anyio.to_thread
import pytest

from tests.api.resource.query_classes import QueryAuthor, QueryBook, QueryCountry, QueryTag
from tests.api.resource.reading import Desk, desk, options_of
from trivet import Platform

pytestmark = pytest.mark.anyio

PAGE = Path(__file__).parents[3] / "docs" / "queries.md"
QUESTIONS = re.findall(r"`\?([^`]+)`", PAGE.read_text(encoding="utf-8"))


def books(shelves: Platform) -> Desk:
    author = options_of(QueryAuthor, expand={"country": options_of(QueryCountry)})
    return desk(
        shelves,
        QueryBook,
        filters=("*", "author.name", "tags.label", "tags.id"),
        sorts=("price", "title"),
        expand={"author": author, "tags": options_of(QueryTag)},
        search=("title", "notes"),
    )


async def test_every_question_of_the_page_is_answered(shelves: Platform) -> None:
    asking = await anyio.to_thread.run_sync(books, shelves)

    assert len(QUESTIONS) > 15
    for question in QUESTIONS:
        assert (await asking.page(question))["items"] == [], question
