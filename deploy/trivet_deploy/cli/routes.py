"""`trivet routes`: every address that this installation answers, in one table."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from trivet_deploy.cli.console import json_option, print_json, print_table

if TYPE_CHECKING:
    from trivet import Platform
    from trivet.asgi.mount import RouteInfo


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; `policy` says who may use the route, `commits_on` which of its
    refusals keep what the request did, `idempotency_key` whether it takes one."""

    mount: str
    methods: str
    path: str
    name: str
    policy: str
    commits_on: tuple[int, ...] = ()
    idempotency_key: str = ""

    @classmethod
    def of(cls, mount: str, route: "RouteInfo") -> "Line":
        kept = tuple(sorted(route.commits_on))
        key = route.idempotency_key
        return cls(mount, route.methods, route.path, route.name, route.policy, kept, key)


def routes(
    as_json: Annotated[bool, json_option("Print the table as JSON.")] = False,
    mount: Annotated[str | None, typer.Option(help="Only the routes of this mount.")] = None,
) -> None:
    """Show every route of every mount: method, path, name, policy, and whether it takes an
    Idempotency-Key."""
    from trivet.outcome import in_words
    from trivet_deploy.composition import open_platform_with_django
    from trivet_settings import load_settings

    lines = list_lines(open_platform_with_django(load_settings()))
    if mount is not None:
        lines = [line for line in lines if line.mount == mount]
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    table = Table("mount", "method", box=None, header_style="bold")
    for column in ("path", "name", "policy", "idempotency key"):
        table.add_column(column, overflow="fold")
    for line in lines:
        policy = line.policy
        if line.commits_on:
            policy += f"; commits on {in_words(line.commits_on)}"
        table.add_row(line.mount, line.methods, line.path, line.name, policy, line.idempotency_key)
    print_table(table)


_OF_THE_ROOT = {
    "/": "welcome",
    "/favicon.ico": "favicon",
    "/healthz": "healthz",
    "/readyz": "readyz",
    "/static/*": "static",
}


def list_lines(platform: "Platform") -> list[Line]:
    """The table: probes, mounts in their order, then the pages of features."""
    from trivet.asgi.root import pages_of
    from trivet_deploy.asgi import list_mounts

    mounts = [*list_mounts(platform), *pages_of(platform.features)]
    lines = [Line("root", "GET", path, name, "public") for path, name in _OF_THE_ROOT.items()]
    for mounted in mounts:
        lines += [Line.of(mounted.name, route) for route in mounted.list_routes()]
    return lines
