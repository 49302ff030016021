"""Another room, whose endpoints need both ORMs: what an API endpoint does with its unit.

Each endpoint adds one item with SQLAlchemy and one with Django, and then does what the test is
about.
"""

from typing import Any

import anyio
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, Router

from trivet import Conflict, Identity
from trivet.asgi.mount import MountedApp
from trivet.context import context_of


def add_with_both(db: Session, name: str) -> list[str]:
    """Two items, one by each ORM, read back by the other."""
    from django.apps import apps

    from tests.admin.stock.models import Item

    mirror: Any = apps.get_model("stock", "Item")
    db.add(Item(name=f"{name} one", category_id="tools"))
    mirror.objects.create(name=f"{name} two", category_id="toys")
    seen = mirror.objects.filter(name__startswith=name.capitalize()).order_by("name")
    return [item.name for item in seen]


def rename_user(_db: Session, _actor: Identity, username: str) -> None:
    """What only Django's ORM has: a row of Django's own."""
    from django.contrib.auth import get_user_model

    users: Any = get_user_model().objects
    users.filter(username=username).update(first_name="Renamed")


def swallow(db: Session, _actor: Identity) -> None:
    """An error of the database that nobody hears of."""
    from django.db import Error, connection

    add_with_both(db, "Swallowed")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT no_such_function(1)")
    except Error:
        pass


def both(db: Session, _actor: Identity, name: str) -> list[str]:
    """`add_with_both`, as the service of a unit."""
    return add_with_both(db, name)


async def add(request: Request) -> Response:
    query = request.query_params
    unit = context_of(request.scope).unit
    seen = await unit.run_with_django(both, query["name"])
    await unit.run_with_django(rename_user, "guest")
    return JSONResponse(seen, int(query.get("status", 201)))


async def add_and_object(request: Request) -> Response:
    await context_of(request.scope).unit.run_with_django(both, "Lost")
    raise Conflict("no", "No.")


async def follow(request: Request) -> Response:
    """`run` after `run_with_django`: in the same transaction."""
    unit = context_of(request.scope).unit
    await unit.run_with_django(both, "Both")
    count = await unit.run(lambda db, _: db.scalar(text("SELECT count(*) FROM stock_item")))
    return JSONResponse(count)


async def mix(request: Request) -> Response:
    """Both orders of using the async session and Django's connection in one unit."""
    unit = context_of(request.scope).unit
    try:
        if request.query_params["first"] == "session":
            await unit.session.execute(text("SELECT 1"))
        await unit.run_with_django(both, "Mixed")
        await unit.session.execute(text("SELECT 1"))
    except RuntimeError as error:
        return JSONResponse(str(error), 500)
    return JSONResponse("")


async def fail(request: Request) -> Response:
    """Django's errors, by their meaning."""

    def work(_db: Session, _actor: Identity) -> None:
        from django.apps import apps
        from django.contrib.auth import get_user_model

        item: Any = apps.get_model("stock", "Item")
        match request.query_params["how"]:
            case "missing":
                item.objects.get(pk=99)
            case "refused":
                item.objects.create(name="forbidden", category_id="tools")
            case "twice":
                item.objects.create(name="Twin", sku="S1", category_id="tools")
            case _:
                clerk = get_user_model().objects.get(username="clerk")
                item.objects.filter(pk=1).update(keeper=clerk)
                clerk.delete()

    await context_of(request.scope).unit.run_with_django(work)
    return JSONResponse({})


async def swallow_error(request: Request) -> Response:
    await context_of(request.scope).unit.run_with_django(swallow)
    return JSONResponse({}, 201)


async def stream(request: Request) -> Response:
    """A stream whose transaction is over before it begins, and work behind the response."""
    context = context_of(request.scope)
    await context.unit.run_with_django(both, "Streamed")

    async def body() -> Any:
        yield "begun"
        try:
            await context.unit.run_with_django(both, "Late")
        except RuntimeError as error:
            yield f": {error}"

    async def later() -> None:
        await context.platform.run_with_django(both, "Background")

    return StreamingResponse(body(), background=BackgroundTask(later))


ENDPOINTS = (add, add_and_object, follow, mix, fail, swallow_error, stream)


class Both(Router):
    """Every endpoint at ``/both/<its name>``; `waiting` is set when one waits for ever."""

    def __init__(self) -> None:
        super().__init__([Route("/wait", self.wait, methods=["POST"])])
        for each in ENDPOINTS:
            self.routes.append(Route(f"/{each.__name__}", each, methods=["GET", "POST"]))
        self.waiting = anyio.Event()

    async def wait(self, request: Request) -> Response:
        await context_of(request.scope).unit.run_with_django(both, "Waiting")
        self.waiting.set()
        await anyio.sleep_forever()
        raise AssertionError


def mount() -> MountedApp:
    return MountedApp(name="both", prefix="/both", app=Both(), lifespan=False)
