"""Login, logout and "who am I", with the sessions of the admin."""

from typing import Any

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from trivet.context import context_of
from trivet.errors import Unauthenticated
from trivet.identity import Identity
from trivet.identity.permissions import every_permission, names_of
from trivet.identity.policy import authenticated, public
from trivet_api.idempotency import idempotency_refused
from trivet_api.unit import Unit

router = APIRouter(prefix="/auth", tags=["auth"])


MOST_NAMES = 16
"""Up to this many names are checked one by one, so that a client learns which one is wrong."""


class Credentials(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"username": "ada", "password": "correct horse battery staple"}]
        },
    )

    username: str = Field(min_length=1, max_length=150)
    password: str = Field(min_length=1, max_length=4096)

    @model_validator(mode="before")
    @classmethod
    def _refuse_floods(cls, given: Any) -> Any:
        """Anybody may send this, and a list of what is wrong with each of a hundred thousand names
        would cost more than the login."""
        if isinstance(given, dict) and len(given) > MOST_NAMES:
            raise ValueError(f"holds {len(given):,} names; a login has two")
        return given


class Me(BaseModel):
    """The caller's identity and permissions."""

    username: str
    email: str
    kind: str = Field(description="How the identity was established: session or key.")
    is_staff: bool = Field(description="Whether the admin at /admin is open to this user.")
    is_superuser: bool = Field(description="A superuser has every permission.")
    permissions: list[str] = Field(
        description="What one may do, as app.codename; of a superuser all that there is."
    )

    @classmethod
    async def of(cls, identity: Identity, unit: Unit) -> "Me":
        held = identity.permissions
        if identity.is_superuser:
            held = await unit.run(_list_permissions)
        return cls(
            username=identity.username,
            email=identity.email,
            kind=identity.kind,
            is_staff=identity.is_staff,
            is_superuser=identity.is_superuser,
            permissions=sorted(held),
        )


def _list_permissions(db: Session, _actor: Identity) -> frozenset[str]:
    """Every permission that there is: a client that shows what one may do asks by name."""
    return names_of(db.execute(every_permission()))


@router.post("/login", dependencies=[public, idempotency_refused])
async def log_in(credentials: Credentials, request: Request, response: Response, unit: Unit) -> Me:
    """Open a session. The cookie that comes back works at /api, /admin and /ws."""
    accounts = context_of(request.scope).platform.accounts
    cookie = await accounts.log_in(request, credentials.username, credentials.password)
    if cookie is None:
        raise Unauthenticated("bad-credentials", "This username and password do not go together.")
    response.set_cookie(
        cookie.name,
        cookie.value,
        max_age=cookie.max_age,
        expires=cookie.expires_at,
        httponly=True,
        samesite="lax",
        secure=cookie.secure,
    )
    response.headers["cache-control"] = "no-store"
    return await Me.of(cookie.identity, unit)


@router.post(
    "/logout",
    dependencies=[public, idempotency_refused],
    status_code=status.HTTP_204_NO_CONTENT,
)
async def log_out(request: Request, response: Response) -> None:
    """End the session, everywhere. Without one there is nothing to do, which is no error."""
    platform = context_of(request.scope).platform
    await platform.accounts.log_out(request)
    response.delete_cookie(
        platform.accounts.cookie_name,
        httponly=True,
        samesite="lax",
        # A browser heeds nothing about a __Host- cookie that is not marked so, not even its end.
        secure=platform.settings.secure_cookies,
    )


@router.get("/me", dependencies=[authenticated])
async def read_me(request: Request, response: Response, unit: Unit) -> Me:
    """The caller's identity and permissions."""
    response.headers["cache-control"] = "no-store"
    return await Me.of(context_of(request.scope).identity, unit)
