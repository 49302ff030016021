"""Routers made by chance from a seed: what anybody might write, and requests for it.

Every choice is one of the tables below; a seed decides them all, so that a difference that was
found once is found again.
"""

import inspect
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Cookie, Depends, Header, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from tests.api.generated_classes import ROUTE_CLASSES, OwnRouter
from trivet.errors import Conflict
from trivet_api import public


class Moon(BaseModel):
    name: str = Field("io", alias="Name", min_length=1)
    radius: float | None = None
    tags: list[str] = []


class Filter(BaseModel):
    size: Annotated[int, Field(ge=1, le=9)] = 3
    tags: list[str] = []


class LoudJson(JSONResponse):
    def render(self, content: Any) -> bytes:
        return super().render(content).upper()


# ---- dependencies -------------------------------------------------------------------------


async def of_request(request: Request) -> str:
    return request.headers.get("x-one", "none")


def on_a_thread(request: Request) -> str:
    return request.headers.get("x-one", "none")


async def with_query(depth: int = 1) -> int:
    return depth


async def nested(inner: Annotated[str, Depends(of_request)]) -> str:
    return inner * 2


async def cleaning_up(response: Response) -> AsyncIterator[str]:
    response.headers["x-lent"] = "yes"
    yield "lent"


async def speaking(response: Response) -> str:
    response.headers.append("x-said", "by a dependency")
    response.set_cookie("seen", "1")
    return "said"


async def reddening(response: Response) -> int:
    response.status_code = 206
    return 206


async def refusing(request: Request) -> str:
    if "x-one" in request.headers:
        raise HTTPException(418, "no", headers={"x-pot": "tea"})
    return "let through"


async def failing(request: Request) -> str:
    if "x-one" in request.headers:
        raise LookupError("lost in a dependency")
    return "whole"


DEPENDENCIES: Sequence[Callable[..., Any]] = (
    of_request,
    on_a_thread,
    with_query,
    nested,
    cleaning_up,
    speaking,
    reddening,
    refusing,
    failing,
)

LEAVES = (of_request, speaking, reddening, refusing, failing)
"""Those that a plain route may have."""

# ---- parameters ---------------------------------------------------------------------------

QUERY: Sequence[Any] = (
    Annotated[int, Query(le=9)],
    Annotated[int | None, Query()],
    Annotated[list[int], Query()],
    Annotated[Literal["a", "b"], Query()],
    Annotated[bool, Query(alias="q-flag")],
    Annotated[float, Query(allow_inf_nan=False)],
    Annotated[Filter, Query()],
    Annotated[str, Header()],
    Annotated[list[str], Header()],
    Annotated[str, Cookie()],
    Annotated[int, Header(alias="x-two")],
)
DEFAULTS: Sequence[dict[str, Any]] = ({}, {}, {"default": None})
PATH: Sequence[tuple[str, Any]] = (
    ("", None),
    ("/{key}", int),
    ("/{key}", str),
    ("/{key:path}", str),
)

# ---- results ------------------------------------------------------------------------------


def moon() -> Any:
    return {"Name": "io", "radius": 1821.6, "unknown": 1}


def crooked() -> Any:
    return {"Name": "", "radius": "wide"}


def conflict() -> Any:
    raise Conflict("taken", "Somebody sits there.", seat="12A")


def refused() -> Any:
    raise HTTPException(410, "gone", headers={"x-gone": "for good"})


def lost() -> Any:
    raise LookupError("lost in an endpoint")


def answered() -> Any:
    return PlainTextResponse("answered", 202, {"x-answered": "yes"})


RESULTS: Sequence[Callable[[], Any]] = (
    moon,
    moon,
    moon,
    crooked,
    conflict,
    refused,
    lost,
    answered,
)
MODELS: Sequence[Any] = (Moon, Moon, Moon, dict[str, Any], Any, list[int], None)
CLASSES: Sequence[Any] = (None, None, None, JSONResponse, LoudJson, PlainTextResponse, HTMLResponse)
STATUSES: Sequence[int | None] = (None, None, 201, 203, 206)
OPTIONS: Sequence[dict[str, Any]] = (
    {},
    {},
    {"response_model_exclude_none": True},
    {"response_model_by_alias": False},
    {"response_model_include": {"name"}},
    {"response_model_exclude_unset": True},
    {"response_model_exclude": {"tags"}, "response_model_exclude_defaults": True},
)

METHODS: Sequence[list[str]] = (
    ["GET"],
    ["GET"],
    ["GET"],
    ["GET"],
    ["GET", "DELETE"],
    ["POST"],
    ["PUT"],
)


@dataclass(slots=True)
class Sky:
    """What one seed made: a router, how it is included, and what to ask."""

    router: APIRouter
    options: dict[str, Any] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    classes: set[type[APIRoute]] = field(default_factory=set)


class Chance(random.Random):
    """A seed's choices. Every other seed keeps to what most people write (`is_plain`), of which
    pure chance would make too little."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.is_plain = seed % 2 == 0

    def sometimes(self, probability: float) -> bool:
        """A choice that is never taken where things are plain."""
        return self.random() < probability and not self.is_plain


def make_sky(seed: int) -> Sky:
    chance = Chance(seed)
    sky = Sky(_make_router(chance))
    paths = _fill(chance, sky, sky.router, "/sky")
    if chance.sometimes(0.3):
        inner = _make_router(chance)
        paths += _fill(chance, sky, inner, "/sky/in")
        sky.router.include_router(inner, prefix="/in", dependencies=_some(chance))
    sky.options = {"prefix": "/sky", "tags": ["sky"]}
    if chance.sometimes(0.2):
        sky.options["dependencies"] = _some(chance)
    if chance.sometimes(0.2):
        sky.options["default_response_class"] = LoudJson
    sky.requests = [_make_request(chance, *path) for path in paths for _ in range(4)]
    return sky


def _make_router(chance: Chance) -> APIRouter:
    cls = OwnRouter if chance.sometimes(0.1) else APIRouter
    options: dict[str, Any] = {}
    if chance.sometimes(0.8):
        options["route_class"] = chance.choice(ROUTE_CLASSES)
    if chance.sometimes(0.2):
        options["default_response_class"] = chance.choice((LoudJson, HTMLResponse))
    if chance.sometimes(0.1):
        options["max_body_size"] = 20
    return cls(dependencies=[public, *_some(chance)], **options)


def _some(chance: Chance) -> list[Any]:
    some = [_dependency(chance) for _ in range(chance.choice((0, 0, 0, 0, 1, 2)))]
    return [*some, *some] if chance.random() < 0.3 else some


def _dependency(chance: Chance) -> Any:
    return Depends(chance.choice(LEAVES if chance.is_plain else DEPENDENCIES))


def _fill(chance: Chance, sky: Sky, router: APIRouter, prefix: str) -> list[tuple[str, list[str]]]:
    """Add routes to `router`; returns where they are, and their methods. Some of them lie at the
    same path."""
    paths: list[tuple[str, list[str]]] = []
    for _ in range(chance.randint(2, 5)):
        name = chance.choice("abc")
        tail, key = chance.choice(PATH)
        options = dict(chance.choice(OPTIONS))
        if chance.sometimes(0.15):
            options["route_class_override"] = chance.choice(ROUTE_CLASSES)
        status, model = chance.choice(STATUSES), chance.choice(MODELS)
        if chance.random() < 0.1:
            status, model = 204, None
        response_class = chance.choice(CLASSES) if chance.sometimes(0.9) else None
        if response_class is not None:
            options["response_class"] = response_class
        methods = chance.choice(METHODS)
        endpoint = _make_endpoint(chance, key, has_body="POST" in methods or "PUT" in methods)
        router.add_api_route(
            f"/{name}{tail}",
            endpoint,
            methods=methods,
            status_code=status,
            response_model=model,
            operation_id=f"{prefix}-{len(paths)}",
            dependencies=_some(chance),
            **options,
        )
        end = "/own" if isinstance(router, OwnRouter) else ""
        paths.append((f"{prefix}/{name}{tail and '/KEY'}{end}", methods))
    sky.classes |= {type(route) for route in router.routes if isinstance(route, APIRoute)}
    return paths


def _make_endpoint(chance: Chance, key: Any, *, has_body: bool) -> Callable[..., Any]:
    """An endpoint of its own signature, a coroutine or not."""
    annotations: dict[str, Any] = {} if key is None else {"key": key}
    defaults: dict[str, Any] = {}
    for number in range(chance.choice((0, 0, 1, 2))):
        annotations[f"p{number}"] = chance.choice(QUERY)
        if chance.random() < 0.4 and annotations[f"p{number}"] is not QUERY[6]:
            defaults[f"p{number}"] = None
    if chance.random() < 0.3:
        annotations["dependency"] = Annotated[Any, _dependency(chance)]
    if has_body:
        annotations["body"] = chance.choice((Moon, Annotated[int, Body()], dict[str, int]))
    if chance.random() < 0.3:
        annotations["request"] = Request
    says = chance.choice((None, None, "response"))
    if says:
        annotations["response"] = Response
    result = chance.choice(RESULTS)
    echoes = chance.random() < 0.3

    def work(given: dict[str, Any]) -> Any:
        if says:
            given["response"].headers["x-endpoint"] = "spoke"
        made = result()
        if echoes and isinstance(made, dict):
            made["tags"] = sorted(
                f"{name}={value!r}" for name, value in given.items() if name[0] == "p"
            )
        return made

    return _with_signature(work, annotations, defaults, awaits=not chance.sometimes(0.3))


def _with_signature(
    work: Callable[[dict[str, Any]], Any],
    annotations: dict[str, Any],
    defaults: dict[str, Any],
    *,
    awaits: bool,
) -> Callable[..., Any]:
    async def on_the_loop(**given: Any) -> Any:
        return work(given)

    def in_a_thread(**given: Any) -> Any:
        return work(given)

    endpoint: Callable[..., Any] = on_the_loop if awaits else in_a_thread
    signature = inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=annotation,
                default=defaults.get(name, inspect.Parameter.empty),
            )
            for name, annotation in annotations.items()
        ]
    )
    setattr(endpoint, "__signature__", signature)  # noqa: B010  # a function declares no such attribute
    return endpoint


VALUES = ("1", "1", "1", "2", "12", "x", "", "a", "on", "NaN", "%C3%A4", "1.5")


def _make_request(chance: Chance, path: str, methods: list[str]) -> dict[str, Any]:
    key = chance.choice(("7", "x", "7/8", "%2F", "%C3%A4"))
    pairs = [
        f"{chance.choice(('p0', 'p0', 'p1', 'q-flag', 'size', 'depth'))}={chance.choice(VALUES)}"
        for _ in range(chance.choice((0, 2, 3, 5)))
    ]
    headers = {"p0": "header"} if chance.random() < 0.2 else {}
    if chance.random() < 0.4:
        headers["x-one"] = chance.choice(("good", "bad"))
    if chance.random() < 0.3:
        headers["x-two"] = chance.choice(("2", "two"))
    if chance.random() < 0.3:
        headers["cookie"] = "p0=oat; p1=rye"
    method = chance.choice((*methods, *methods, *methods, *methods, "GET", "HEAD", "PATCH"))
    body = None
    if method in ("POST", "PUT", "PATCH"):
        body = chance.choice((b"", b"{", b"3", b'{"Name": "x"}', b'{"a": 1, "b": 2}', b'{"a":"x"}'))
        headers["content-type"] = chance.choice(("application/json", "text/plain"))
    query = "?" + "&".join(pairs) if pairs else ""
    return {
        "method": method,
        "url": path.replace("KEY", key) + query,
        "headers": headers,
        "content": body,
    }
