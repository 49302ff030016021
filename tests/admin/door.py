"""Another room, which logs people in and out by the platform's accounts, as the API does."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from trivet.asgi.mount import MountedApp
from trivet.context import context_of


async def log_in(request: Request) -> Response:
    given = await request.json()
    accounts = context_of(request.scope).platform.accounts
    cookie = await accounts.log_in(request, given["username"], given["password"])
    if cookie is None:
        return JSONResponse({}, status_code=401)
    response = JSONResponse({"username": cookie.identity.username})
    response.set_cookie(cookie.name, cookie.value, max_age=cookie.max_age, httponly=True)
    return response


async def log_out(request: Request) -> Response:
    await context_of(request.scope).platform.accounts.log_out(request)
    return Response(status_code=204)


async def read_me(request: Request) -> Response:
    identity = context_of(request.scope).identity
    return JSONResponse(
        {
            "username": identity.username,
            "kind": identity.kind,
            "permissions": sorted(identity.permissions),
            "credential": identity.credential_id,
        }
    )


def mount() -> MountedApp:
    routes = [
        Route("/login", log_in, methods=["POST"]),
        Route("/logout", log_out, methods=["POST"]),
        Route("/me", read_me),
    ]
    return MountedApp(name="door", prefix="/door", app=Starlette(routes=routes), lifespan=False)
