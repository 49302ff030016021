"""Books on the shelves, the resources that show them, and rules about who sees them."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anyio.to_thread

from tests.api.resource.query_classes import (
    QueryAuthor,
    QueryBook,
    QueryCountry,
    QueryTag,
    Status,
)
from tests.api.resource.reading import ANYBODY, Desk, desk, options_of, store
from trivet import Identity, Platform
from trivet.rules.registry import RuleRegistry
from trivet.rules.visibility import Visible

EDITOR = Identity(user_id=2, username="ed", kind="key", permissions=frozenset({"library.edit"}))
MONDAY = dt.datetime(2013, 2, 4, 12, tzinfo=dt.UTC)


def rows() -> list[Any]:
    fun, old = QueryTag(id=1, label="fun"), QueryTag(id=2, label="old")
    return [
        QueryCountry(code="no", name="Norway"),
        QueryCountry(code="is", name="Iceland"),
        QueryAuthor(id=1, name="Ann", email="ann@example.org", country_code="no"),
        QueryAuthor(id=2, name="Bob", is_private=True, country_code="is"),
        fun,
        old,
        book(1, "A whale", price="10.00", author_id=1, tags=[fun, old], notes="sea and ships"),
        book(2, "Whales, again", price="12.50", author_id=1, tags=[fun], sequel_of_id=1),
        book(3, "100% secret", author_id=2, tags=[old], status=Status.DRAFT),
        book(4, "The_end", price="10.00", sequel_of_id=2, published_at=MONDAY),
        book(5, "wHALE watching", price="0.00", author_id=2, notes="", status=Status.GONE),
    ]


def book(key: int, title: str, *, price: str | None = None, **values: Any) -> QueryBook:
    amount = None if price is None else Decimal(price)
    return QueryBook(id=key, title=title, price=amount, pages=key * 100, **values)


COUNTRY = options_of(QueryCountry)
TAG = options_of(QueryTag)
AUTHOR = options_of(QueryAuthor, expand={"country": COUNTRY, "books": options_of(QueryBook)})
BOOK: dict[str, Any] = {
    "filters": (
        "*", "author.name", "author.email", "author.id", "author.country.name", "tags.label",
        "tags.id", "sequel_of.title", "sequel_of.price", "sequel_of.author.name",
    ),
    "sorts": ("id", "price"),
    "expand": {"author": AUTHOR, "tags": TAG, "sequel_of": options_of(QueryBook)},
    "search": ("title", "notes"),
}  # fmt: skip


async def books(
    shelves: Platform, rules: RuleRegistry | None = None, actor: Identity = ANYBODY
) -> Desk:
    await store(shelves, *rows())
    made = await anyio.to_thread.run_sync(lambda: desk(shelves, QueryBook, rules, **BOOK))
    made.actor = actor
    return made


async def tags(shelves: Platform) -> list[QueryTag]:
    async with shelves.open_unit(read_only=True) as unit:
        return await unit.run(lambda db, _actor: db.query(QueryTag).all())


def rules(*declared: tuple[Callable[[Identity], Any], type[Any], tuple[str, ...]]) -> RuleRegistry:
    registry = RuleRegistry()
    for function, model, attributes in declared:
        registry.add(Visible(function, model, attributes))
    return registry


def public_authors(actor: Identity) -> Any:
    return actor.allows("library.edit") or QueryAuthor.is_private.is_(False)


def books_of_known_authors(actor: Identity) -> Any:
    if actor.allows("library.edit"):
        return True
    if actor.user_id is None:
        return False
    return QueryBook.pages != actor.user_id * 200


def only_editors(actor: Identity) -> bool:
    return actor.allows("library.edit")


RULES = rules(
    (public_authors, QueryAuthor, ()),
    (books_of_known_authors, QueryBook, ()),
    (only_editors, QueryAuthor, ("email",)),
)
