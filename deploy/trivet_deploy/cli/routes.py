"""`trivet routes`: every address that this installation answers, in one table."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.table import Table
from starlette.routing import BaseRoute, Route

from trivet import Platform
from trivet.features import modules_of
from trivet_deploy.cli.console import print_json, print_table
from trivet_settings import load_settings


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; `policy` says who may use the route."""

    mount: str
    methods: str
    path: str
    name: str
    policy: str


def routes(
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
    mount: Annotated[str | None, typer.Option(help="Only the routes of this mount.")] = None,
) -> None:
    """Show every route of every mount: method, path, name and policy."""
    from trivet_deploy.house import open_house

    lines = list_lines(open_house(load_settings()))
    if mount is not None:
        lines = [line for line in lines if line.mount == mount]
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    table = Table("mount", "method", box=None, header_style="bold")
    for column in ("path", "name", "policy"):
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(line.mount, line.methods, line.path, line.name, line.policy)
    print_table(table)


def list_lines(platform: Platform) -> list[Line]:
    """The table: probes, mounts in their order, then the pages of features."""
    from trivet_deploy.asgi import list_mounts

    lines = [Line("root", "GET", path, path[1:], "public") for path in ("/healthz", "/readyz")]
    for mounted in list_mounts(platform):
        lines += [Line(mounted.name, **asdict(route)) for route in mounted.list_routes()]
    for feature, module in modules_of(platform.features, "web"):
        lines += [_page(feature.name, route) for route in _flat(module.routes)]
    return lines


def _flat(routes: list[BaseRoute]) -> Iterator[Route]:
    for route in routes:
        if isinstance(route, Route):
            yield route


def _page(feature: str, route: Route) -> Line:
    methods = ",".join(sorted((route.methods or {"GET"}) - {"HEAD"}))
    return Line(feature, methods, f"/{feature}{route.path}", route.name, "the page's own")
