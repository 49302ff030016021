"""`trivet realtime`: the sockets of the processes that run, asked and told by the broker."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from trivet_deploy.cli.console import ExitCode, json_option, print_json, print_table, say, warn
from trivet_deploy.counted import counted

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from trivet import Identity, Platform
    from trivet.delivery.connections import ConnectionsOverview

app = typer.Typer(help="Look at sockets, and end them.", no_args_is_help=True)

Json = Annotated[bool, json_option("Print the result as JSON.")]


@app.command()
def info(as_json: Json = False) -> None:
    """Show the processes that serve sockets, and how many connections, users and channels they
    have.

    Exits with 1 if one of them did not answer.
    """
    import msgspec

    from trivet_deploy.listening import ask_connections
    from trivet_deploy.unit import run_with_platform
    from trivet_settings import load_settings

    found = run_with_platform(load_settings(), ask_connections, listens=True)
    if as_json:
        processes = [msgspec.to_builtins(each) for each in found.processes]
        print_json({"processes": processes, "missing": found.missing})
    else:
        _print_processes(found)
    if found.missing:
        raise typer.Exit(ExitCode.NO)


def _print_processes(found: "ConnectionsOverview") -> None:
    if found.missing:
        warn(
            f"{len(found.processes)} of {counted(found.asked, 'process', 'processes')} answered. "
            f"Busy, or killed less than a minute ago: {', '.join(found.missing)}"
        )
    elif not found.processes:
        say("No process serves sockets.")
    table = Table("process", "node", "connections", "users", "subscriptions", "channels", box=None)
    for column in ("waiting bytes", "relay", "broker"):
        table.add_column(column)
    for each in found.processes:
        table.add_row(
            f"{each.host}:{each.pid}",
            each.node,
            *map(str, (each.connections, each.users, each.subscriptions, each.channels)),
            str(each.waiting_bytes),
            f"{each.relay_failures} failures" if each.relay_failures else "ok",
            f"{each.broker} {'connected' if each.broker_is_connected else 'away'}",
        )
    if found.processes:
        print_table(table)


@app.command()
def disconnect(
    user: Annotated[str, typer.Argument(help="The user all of whose connections are to end.")] = "",
    client: Annotated[
        str, typer.Option(help="The one connection that is to end, by its id, in place of a user.")
    ] = "",
    as_json: Json = False,
) -> None:
    """End connections, in whatever process they are. They are told not to come back by themselves.

    To keep somebody out, `trivet users disable` and `trivet keys revoke`.
    """
    if bool(user) == bool(client):
        raise typer.BadParameter("Name a user, or a connection by --client.")
    from trivet.delivery.recorded_controls import record_disconnect, require_carried
    from trivet.identity import system
    from trivet_deploy.listening import find_owner
    from trivet_deploy.unit import run_with_platform
    from trivet_deploy.user_names import user_number
    from trivet_settings import load_settings

    async def run(platform: "Platform") -> str:
        require_carried(platform.broker)
        owner = await find_owner(platform, client) if client else ""

        def record(db: "Session", _actor: "Identity") -> Any:
            return record_disconnect(db, user_number(db, user) if user else owner, client)

        async with platform.open_unit(actor=system("cli")) as unit:
            control = await unit.run(record)
        platform.broker.publish(control)
        return owner

    run_with_platform(load_settings(), run, listens=bool(client))
    if as_json:
        print_json({"user": user, "client": client})
    else:
        what = f"The connection {client} was" if client else f"All connections of {user} were"
        say(f"{what} told to end, in every process.")
