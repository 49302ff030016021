"""Every door by which work reaches a session: each runs a plain function over one.

The command's door opens a platform of its own, as a command does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from tests.admin.grant_changes import with_connections
from tests.admin.house import House
from trivet import Identity, context_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet.origin import Origin
from trivet_deploy.unit import run_in_unit
from trivet_realtime.bounds import Bounds
from trivet_realtime.channels import ChannelRules
from trivet_realtime.hub import Hub

Work = Callable[[Session], Any]
PILOT = Identity(user_id=None, username="pilot", kind="system")
"""The actor of a socket's message."""
Door = Callable[[House, Work], Awaitable[None]]


async def _request(house: House, work: Work, verb: str) -> None:
    """A request of another room, which answers 201."""
    raised: list[Exception] = []

    async def endpoint(request: Request) -> Response:
        unit = context_of(request.scope).unit
        try:
            if verb == "session":
                await unit.session.run_sync(work)
            else:
                await getattr(unit, verb)(_service(work))
        except Exception as error:
            raised.append(error)
            raise
        return JSONResponse({}, 201)

    room = MountedApp(
        name="unit", prefix="/unit", app=Router([Route("/", endpoint, methods=["POST"])]),
        lifespan=False,
    )  # fmt: skip
    root = await asyncio.to_thread(build_root, house.platform, [*house.app.mounts, room])
    async with House(house.platform, root).client() as visitor:
        visitor.may_fail()
        answer = await visitor.http.post("/unit/")
    if raised:
        raise raised[0]
    assert answer.status_code == 201, f"answered {answer.status_code}"


async def request(house: House, work: Work) -> None:
    await _request(house, work, "run")


async def session_of_a_request(house: House, work: Work) -> None:
    await _request(house, work, "session")


async def request_with_django(house: House, work: Work) -> None:
    await _request(house, work, "run_with_django")


async def unit_of_its_own(house: House, work: Work) -> None:
    async with house.platform.open_unit() as unit:
        await unit.run(_service(work))


async def unit_of_its_own_with_django(house: House, work: Work) -> None:
    async with house.platform.open_unit() as unit:
        await unit.run_with_django(_service(work))


async def work_after_the_response(house: House, work: Work) -> None:
    await house.platform.run_with_django(_service(work))


async def message_of_a_socket(house: House, work: Work) -> None:
    """As the room opens it for each message of a client."""
    hub = Hub(ChannelRules({}), house.platform, Bounds())
    client = hub.admit(Origin(PILOT, "realtime", "handshake-1"))
    async with hub.open_unit(client) as unit:
        await unit.run(_service(work))


async def command(house: House, work: Work) -> None:
    run = partial(run_in_unit, house.platform.settings, _service(work))
    # A thread without the context of this task, as a process has none.
    await asyncio.get_running_loop().run_in_executor(None, run)


async def view_of_the_admin(house: House, work: Work) -> None:
    """As `UnitMiddleware` opens it around a view."""
    del house

    def view() -> None:
        from django.db import transaction
        from django.http import HttpRequest

        from trivet_admin import unit_of

        with transaction.atomic():
            unit_of(HttpRequest()).run(_service(work))

    await asyncio.to_thread(with_connections, view)


def _service(work: Work) -> Callable[[Session, Identity], Any]:
    return lambda db, _actor: work(db)


DOORS: dict[str, Door] = {
    each.__name__: each
    for each in (
        request,
        session_of_a_request,
        request_with_django,
        unit_of_its_own,
        unit_of_its_own_with_django,
        work_after_the_response,
        message_of_a_socket,
        command,
        view_of_the_admin,
    )
}
