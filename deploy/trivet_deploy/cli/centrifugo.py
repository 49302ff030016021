"""`trivet centrifugo`: Centrifugo in front of the sockets, and back again."""

from typing import TYPE_CHECKING, Annotated

import typer

from trivet_deploy.cli.console import json_option, print_json, say, warn
from trivet_deploy.counted import counted

if TYPE_CHECKING:
    from trivet_realtime.channels import ChannelRules
    from trivet_realtime.client_calls import ClientCalls
    from trivet_settings import Settings

app = typer.Typer(help="Put Centrifugo in front of the sockets.", no_args_is_help=True)

Json = Annotated[bool, json_option("Print the result as JSON.")]


@app.command()
def config(
    address: Annotated[
        str, typer.Argument(help="The address at which Centrifugo reaches this application.")
    ] = "http://127.0.0.1:8000",
) -> None:
    """Print Centrifugo's configuration, as JSON. It holds secrets.

    What Centrifugo cannot do is said on stderr.
    """
    from trivet_realtime.centrifugo.configuration import configure
    from trivet_settings import load_settings

    settings = load_settings()
    rules, calls = _declared(settings)
    made = configure(settings, rules, calls, address=address)
    for note in made.notes:
        warn(f"{note[0].upper()}{note[1:]}.")
    print_json(made.options)


@app.command()
def graduate(
    *,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Copy publications up to this age. By default all that are kept."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let Centrifugo's tables get every publication, from now on, in the same transaction.

    Writers wait until it is done. It may be repeated, after a change of namespaces for example.
    """
    from datetime import timedelta

    from trivet.data.single_connection import connect
    from trivet_deploy.schema import require_database
    from trivet_realtime.centrifugo import outbox, streams
    from trivet_settings import load_settings

    settings = load_settings()
    require_database(settings)
    rules, _ = _declared(settings)
    kept = timedelta(hours=settings.history_hours)
    back = None if minutes is None else timedelta(minutes=minutes)
    with connect(settings.direct.database_url) as connection, connection.begin():
        if settings.centrifugo_source == "outbox":
            outbox.graduate(connection)
            copied = streams.Copied(0, 0)
        else:
            copied = streams.graduate(connection, rules.options, kept=kept, back=back)
    if as_json:
        print_json({"channels": copied.channels, "publications": copied.publications})
    else:
        say(
            f"Centrifugo gets every publication from now on. Copied: "
            f"{counted(copied.channels, 'position')} and "
            f"{counted(copied.publications, 'publication')}."
        )


@app.command("return")
def return_(as_json: Json = False) -> None:
    """Let Centrifugo's tables get nothing more. Positions go on here as they are.

    Let balancers send sockets to Trivet first.
    """
    from trivet.data.single_connection import connect
    from trivet_deploy.schema import require_database
    from trivet_realtime.centrifugo import outbox, streams
    from trivet_settings import load_settings

    settings = load_settings()
    require_database(settings)
    left = 0
    if not settings.database.is_sqlite:
        with connect(settings.direct.database_url) as connection, connection.begin():
            streams.take_back(connection)
            left = outbox.take_back(connection)
    if as_json:
        print_json({"left": left})
        return
    say("Centrifugo gets no publications any more.")
    if left:
        warn(f"{counted(left, 'publication')} had not been taken by its consumer yet.")


def _declared(settings: "Settings") -> tuple["ChannelRules", "ClientCalls"]:
    """What the features declare for channels."""
    from trivet.features import modules_of
    from trivet_deploy.composition import open_platform_with_django
    from trivet_realtime.client_calls import collect_calls
    from trivet_realtime.live_channels import channels_of

    features = open_platform_with_django(settings).features
    modules = {feature.name: module for feature, module in modules_of(features, "realtime")}
    return channels_of(features), collect_calls(modules)
