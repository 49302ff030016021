"""What is observed of a change, through the API's session, Django's connection and the admin."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from tests.admin.constraints import defer_a_constraint
from tests.admin.house import House
from trivet import Conflict
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet.context import RequestContext, context_of
from trivet.identity import Identity, Revocation
from trivet.observation import (
    Observers,
    PoolWaited,
    RequestEnded,
    UnitEnded,
    UnitOutcome,
)

pytestmark = pytest.mark.anyio

DOORS = ("session", "django")
"""The API's own session, and Django's connection with both ORMs."""


@dataclass
class Seen:
    """Everything that was observed since the last `clear`."""

    requests: list[RequestEnded] = field(default_factory=list)
    units: list[UnitEnded] = field(default_factory=list)
    waits: list[PoolWaited] = field(default_factory=list)
    revocations: list[Revocation] = field(default_factory=list)

    def listen(self, observers: Observers) -> None:
        observers.add(RequestEnded, self.requests.append)
        observers.add(UnitEnded, self.units.append)
        observers.add(PoolWaited, self.waits.append)
        observers.add(Revocation, self.revocations.append)

    def clear(self) -> None:
        for events in (self.requests, self.units, self.waits, self.revocations):
            events.clear()


def change(db: Session, _actor: Identity) -> None:
    from tests.admin.stock.models import Item

    item = db.get(Item, 1)
    assert item is not None
    item.quantity += 1


async def run(request: Request, service: Callable[[Session, Identity], None]) -> RequestContext:
    context = context_of(request.scope)
    through_django = request.path_params["door"] == "django"
    await (context.unit.run_with_django if through_django else context.unit.run)(service)
    return context


async def answer(request: Request) -> Response:
    await run(request, change)
    return JSONResponse({}, int(request.query_params.get("status", 200)))


async def raise_conflict(request: Request) -> Response:
    await run(request, change)
    raise Conflict("no", "No.")


async def work_later(request: Request) -> Response:
    """A unit of its own, behind the response."""
    context = await run(request, change)

    async def later() -> None:
        if request.path_params["door"] == "django":
            await context.platform.run_with_django(change)
        else:
            async with context.platform.open_unit() as unit:
                await unit.run(change)

    return JSONResponse({}, background=BackgroundTask(later))


async def use_nothing(_request: Request) -> Response:
    return JSONResponse({})


class Workshop(Router):
    """Endpoints at ``/workshop/<door>/<name>``."""

    def __init__(self) -> None:
        endpoints = (answer, raise_conflict, work_later, use_nothing, self.wait)
        super().__init__(
            [
                Route(f"/{{door}}/{each.__name__}", each, methods=["GET", "POST"])
                for each in endpoints
            ]
        )
        self.waiting = anyio.Event()

    async def wait(self, request: Request) -> Response:
        await run(request, change)
        self.waiting.set()
        await anyio.sleep_forever()
        raise AssertionError


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def built_workshop(built_house: House, workshop: Workshop) -> House:
    room = MountedApp("workshop", "/workshop", workshop, lifespan=False)
    platform = built_house.platform
    return House(platform, build_root(platform, [*built_house.app.mounts, room]))


@pytest.fixture
async def observed(built_workshop: House) -> AsyncIterator[House]:
    """The house with the workshop beside the admin."""
    yield built_workshop
    await built_workshop.platform.database.close()


@pytest.fixture
def seen(built_workshop: House) -> Seen:
    seen = Seen()
    seen.listen(built_workshop.platform.observers)
    return seen


def ended(outcome: UnitOutcome, reason: str = "", origin: str = "workshop") -> UnitEnded:
    return UnitEnded(outcome, reason, origin, read_only=False)


COMMITTED, ROLLED_BACK, HELD_BACK = UnitOutcome


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("answer", [ended(COMMITTED)]),
        ("answer?status=303", [ended(COMMITTED)]),
        ("answer?status=422", [ended(ROLLED_BACK, "status 422")]),
        ("raise_conflict", [ended(ROLLED_BACK, "Conflict")]),
        ("work_later", [ended(COMMITTED), ended(COMMITTED)]),
        ("use_nothing", []),
    ],
)
async def test_each_unit_is_observed_once_through_either_door(
    observed: House, seen: Seen, door: str, path: str, expected: list[UnitEnded]
) -> None:
    async with observed.client() as visitor:
        response = await visitor.http.post(f"/workshop/{door}/{path}")
    assert seen.units == expected
    (request,) = seen.requests
    assert (request.method, request.mount, request.status) == (
        "POST",
        "workshop",
        response.status_code,
    )
    assert request.request_id == response.headers["x-request-id"]
    pools = {wait.pool for wait in seen.waits if wait.succeeded}
    used = {"session": {"database"}, "django": {"django"}}
    assert pools == (used[door] if expected else set())


@pytest.mark.parametrize("door", DOORS)
async def test_a_commit_that_the_database_refuses_is_held_back(
    observed: House, seen: Seen, door: str, database_kind: str
) -> None:
    await defer_a_constraint(observed, database_kind)
    seen.clear()
    async with observed.client() as visitor:
        response = await visitor.http.post(f"/workshop/{door}/answer")
    assert response.status_code == 409
    assert seen.units == [ended(HELD_BACK, "IntegrityError")]


async def test_a_safe_method_that_wrote_is_held_back(observed: House, seen: Seen) -> None:
    async with observed.client() as visitor:
        visitor.may_fail()
        response = await visitor.http.get("/workshop/session/answer")
    assert response.status_code == 500
    (unit,) = seen.units
    assert (unit.outcome, unit.reason, unit.read_only) == (HELD_BACK, "ReadOnlyError", True)


@pytest.mark.parametrize("door", DOORS)
async def test_a_client_that_leaves_is_observed_once(
    observed: House, seen: Seen, workshop: Workshop, door: str
) -> None:
    async with observed.client() as visitor, anyio.create_task_group() as group:
        group.start_soon(visitor.http.post, f"/workshop/{door}/wait")
        await workshop.waiting.wait()
        group.cancel_scope.cancel()
    assert seen.units == [ended(ROLLED_BACK, "CancelledError")]
    assert [request.status for request in seen.requests] == [499]


async def test_a_form_of_the_admin_is_observed_once(observed: House, seen: Seen) -> None:
    async with observed.client() as boss:
        await boss.log_in("boss")
        page = await boss.get("/admin/stock/item/1/change/")
        seen.clear()
        await boss.send(page, quantity="6")
    assert seen.units == [ended(COMMITTED, origin="admin")]
    (request,) = seen.requests
    assert (request.method, request.mount, request.status) == ("POST", "admin", 302)
    assert request.identity_kind == "session"
    assert [(wait.pool, wait.succeeded) for wait in seen.waits] == [("django", True)]


async def test_a_form_that_the_database_refuses_is_held_back(
    observed: House, seen: Seen, database_kind: str
) -> None:
    await defer_a_constraint(observed, database_kind)
    async with observed.visit() as boss:
        page = await boss.get("/admin/stock/item/1/change/")
        seen.clear()
        assert (await boss.send(page, quantity="6")).status == 409
    assert seen.units == [ended(HELD_BACK, "IntegrityError", "admin")]


async def test_a_form_that_may_not_be_sent_is_rolled_back(observed: House, seen: Seen) -> None:
    async with observed.visit("clerk") as clerk:
        page = await clerk.get("/admin/stock/item/1/change/")
        seen.clear()
        page.form["_saveasnew"] = "1"
        response = await clerk.http.post("/admin/stock/item/add/", data=page.form)
    assert response.status_code == 403
    assert seen.units == [ended(ROLLED_BACK, "status 403", "admin")]


async def test_a_turn_that_nobody_gets_is_observed(observed: House, seen: Seen) -> None:
    limiter = observed.platform.django.limiter  # type: ignore[union-attr]  # it is Django's here
    limiter._seconds = 0.05
    for _ in range(limiter.limit):
        await limiter.acquire()
    seen.clear()
    async with observed.client() as visitor:
        assert (await visitor.http.get("/admin/login/")).status_code == 503
    (wait,) = seen.waits
    assert (wait.pool, wait.succeeded) == ("django", False)
    assert wait.seconds > 0
    assert [request.status for request in seen.requests] == [503]


async def test_a_revocation_is_observed_once(observed: House, seen: Seen) -> None:
    guest = await observed.value("SELECT id FROM accounts_user WHERE username = 'guest'")
    async with observed.visit() as boss:
        await boss.edit(f"/admin/accounts/user/{guest}/change/", is_active=None)
    assert seen.revocations == [Revocation(user_id=guest)]


def test_every_outermost_atomic_is_observed_and_no_savepoint(
    built_workshop: House, seen: Seen, shop: Any
) -> None:
    from django.db import transaction

    with transaction.atomic(), transaction.atomic():
        shop.Item.objects.filter(pk=1).update(quantity=1)
    with transaction.atomic():
        transaction.set_rollback(True)
    with pytest.raises(LookupError), transaction.atomic():  # noqa: PT012  # a unit that fails
        with transaction.atomic():
            shop.Item.objects.filter(pk=1).update(quantity=2)
        raise LookupError
    assert seen.units == [
        ended(COMMITTED, origin="background"),
        ended(ROLLED_BACK, "set_rollback", "background"),
        ended(ROLLED_BACK, "LookupError", "background"),
    ]
