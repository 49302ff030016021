"""A plain `def` that takes a unit cannot await it, so the start refuses it."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute

from trivet.errors import ConfigurationError
from trivet_api import SingleQuery, Unit, public
from trivet_api.include import include
from trivet_api.policy import list_routes


class OwnRoute(APIRoute):
    """A class of somebody's own, which stays as FastAPI has it."""


class Plain:
    def __call__(self, unit: Unit) -> None: ...


class Awaiting:
    async def __call__(self, unit: Unit) -> None: ...


def take_unit(unit: Unit) -> None: ...


def take_single_query(unit: SingleQuery) -> None: ...


async def awaiting(unit: Unit) -> None: ...


def hand_on(unit: Unit) -> Any:
    """A dependency that makes something of the unit, and awaits nothing."""
    return unit


async def use_what_is_handed_on(unit: Annotated[Any, Depends(hand_on)]) -> None: ...


def no_unit() -> None: ...


def app_with(endpoint: Any, *, route_class: type[APIRoute], deep: bool) -> FastAPI:
    app, router = FastAPI(openapi_url=None), APIRouter(route_class=route_class)
    router.add_api_route("/book", endpoint, methods=["POST"], dependencies=[public])
    if deep:
        router, inner = APIRouter(), router
        router.include_router(inner)
    include(app, router, prefix="/hooks")
    return app


HOWEVER = [
    pytest.mark.parametrize("route_class", [APIRoute, OwnRoute]),
    pytest.mark.parametrize("deep", [False, True]),
]


class TestHoweverItIsIncluded:
    pytestmark = HOWEVER

    @pytest.mark.parametrize("endpoint", [take_unit, take_single_query, Plain()])
    def test_it_is_refused_by_its_name(
        self, endpoint: Any, route_class: type[APIRoute], deep: bool
    ) -> None:
        app = app_with(endpoint, route_class=route_class, deep=deep)
        name = getattr(endpoint, "__name__", "Plain")
        with pytest.raises(ConfigurationError) as refused:
            list_routes(app, "/api")
        assert f"{__name__}.{name}, the endpoint of /api/hooks/book, " in refused.value.detail
        assert "Write 'async def'" in refused.value.detail

    @pytest.mark.parametrize("endpoint", [awaiting, Awaiting(), use_what_is_handed_on, no_unit])
    def test_all_else_may_be_as_it_is(
        self, endpoint: Any, route_class: type[APIRoute], deep: bool
    ) -> None:
        app = app_with(endpoint, route_class=route_class, deep=deep)
        assert [route.path for route in list_routes(app, "/api")] == ["/api/hooks/book"]
