"""What is remembered is who somebody is; what a session holds is always read."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests.admin.grant_changes import COOKIE, me, rename, with_connections
from tests.admin.house import PASSWORD, House, Visitor
from trivet_admin.auth.sessions import SessionSource

pytestmark = pytest.mark.anyio


async def test_what_another_request_put_into_the_session_is_there(house: House) -> None:
    def seen(request: Any) -> Any:
        from django.http import HttpResponse

        return HttpResponse(str(request.session.get("seen")))

    with _view_added("seen/", seen):
        async with house.visit("clerk") as clerk:
            told = [(await clerk.get("/admin/stock/item/seen/")).text]
            for number in (1, 2):
                await asyncio.to_thread(with_connections, partial(_put, clerk, "seen", number))
                told.append((await clerk.get("/admin/stock/item/seen/")).text)
    assert told == ["None", "1", "2"]


async def test_a_request_that_saves_its_session_keeps_what_others_put_there(house: House) -> None:
    async with house.visit("clerk") as clerk:
        await me(clerk)
        await asyncio.to_thread(with_connections, lambda: _put(clerk, "basket", [1, 2]))
        page = await clerk.edit(
            "/admin/password_change/",
            old_password=PASSWORD,
            new_password1="another horse battery staple",
            new_password2="another horse battery staple",
        )
        assert page.status == 302, page.words
        assert (await asyncio.to_thread(_session_of, clerk))["basket"] == [1, 2]


async def test_a_users_new_name_is_shown_at_once(house: House) -> None:
    async with house.visit("clerk") as clerk:
        await clerk.get("/admin/")
        await asyncio.to_thread(with_connections, rename)
        assert "Clara" in (await clerk.get("/admin/")).words


async def test_requests_do_not_share_a_user(house: House) -> None:
    async with house.visit("clerk") as clerk:
        await me(clerk)
    source = SessionSource("key", {"id": 1, "username": "clerk"}, frozenset({"a.b"}))
    one, other = source.make_user(), source.make_user()
    one.username = "changed"
    one._perm_cache.add("a.c")
    assert (other.username, other._perm_cache) == ("clerk", {"a.b"})


async def test_an_admin_view_is_for_staff_unless_it_is_listed(house: House) -> None:
    def careless(_request: Any) -> Any:
        from django.http import HttpResponse

        return HttpResponse("for everybody?")

    with _view_added("careless/", careless):
        async with house.client() as nobody, house.visit("guest") as guest:
            for visitor in (nobody, guest):
                page = await visitor.get("/admin/stock/item/careless/")
                assert page.status == 302
        async with house.visit("clerk") as clerk:
            page = await clerk.get("/admin/stock/item/careless/")
            assert page.text == "for everybody?"


@contextmanager
def _view_added(route: str, view: Any) -> Iterator[None]:
    """A view below /admin/stock/item/ that no `admin_view` wraps."""
    from django.contrib import admin
    from django.urls import clear_url_caches, path

    kind = type(next(a for m, a in admin.site._registry.items() if m.__name__ == "Item"))
    own = kind.get_urls
    kind.get_urls = lambda self: [path(route, view), *own(self)]  # type: ignore[method-assign]  # as a feature would, only later
    sys.modules.pop("trivet_admin.urls", None)
    clear_url_caches()
    try:
        yield
    finally:
        kind.get_urls = own  # type: ignore[method-assign]  # as above


def _put(visitor: Visitor, name: str, value: Any) -> None:
    """Write into the session of `visitor`, as another request would."""
    from trivet_admin.auth.session_store import SessionStore

    store = SessionStore(visitor.http.cookies[COOKIE])
    store[name] = value
    store.save()


def _session_of(visitor: Visitor) -> dict[str, Any]:
    from django.db import connections

    from trivet_admin.auth.session_store import SessionStore

    try:
        return dict(SessionStore(visitor.http.cookies[COOKIE]).items())
    finally:
        connections.close_all()
