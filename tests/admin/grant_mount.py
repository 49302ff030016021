"""A mount of a feature's: each attempt of the table, made in the unit of a request.

An attempt that succeeds is undone: it answers 409, and one that is refused 403.
"""

from contextlib import suppress

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from tests.admin.grant_changes import groups, users
from tests.admin.grant_keys import ATTEMPTS, KEY_ATTEMPTS
from trivet import Conflict, Identity, TrivetError
from trivet.asgi.mount import MountedApp
from trivet.context import context_of
from trivet.identity import system
from trivet.identity.grants import grant_as
from trivet_api.authenticator import KeyAuthenticator

PREFIX = "/attempts"


async def attempt(request: Request) -> Response:
    """By Django's ORM, or for keys by the unit's own session, as ``?by=`` says."""
    unit = context_of(request.scope).unit
    work = ATTEMPTS[request.query_params["name"]].work

    def run(db: Session, _actor: Identity) -> None:
        work(db)
        raise Conflict("done", "It could be done.")

    try:
        if request.query_params.get("by") == "session":
            await unit.run(run)
        else:
            await unit.run_with_django(run)
    except TrivetError as error:
        return JSONResponse(
            {"code": error.code, "detail": error.detail, **error.data}, error.status
        )
    raise AssertionError


async def swallow(request: Request) -> Response:
    """An attempt whose refusal nobody hears of; then 200, as if all had gone well."""
    unit = context_of(request.scope).unit
    work = ATTEMPTS[request.query_params["name"]].work

    def run(db: Session, _actor: Identity) -> None:
        with suppress(TrivetError):
            work(db)

    await unit.run_with_django(run)
    return JSONResponse({})


async def register(request: Request) -> Response:
    """A registration: whoever asks, a new user comes into a group."""

    def work(_db: Session, _actor: Identity) -> None:
        user = users().create(username="new", email="new@example.org")
        with grant_as(system("registration")):
            user.groups.add(groups().get(name="viewers"))

    await context_of(request.scope).unit.run_with_django(work)
    return JSONResponse({}, 201)


ENDPOINTS = {"/": attempt, "/swallow": swallow, "/register": register}


def mount() -> MountedApp:
    return MountedApp(
        name="attempts",
        prefix=PREFIX,
        app=Router([Route(path, each, methods=["POST"]) for path, each in ENDPOINTS.items()]),
        authenticators=(KeyAuthenticator(PREFIX),),
        lifespan=False,
    )


KEY_NAMES = frozenset(KEY_ATTEMPTS)
