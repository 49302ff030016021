"""`trivet tokens`: tokens with which sockets connect and subscribe."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from trivet_deploy.cli.console import json_option, print_json, stdout

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from trivet import Identity

app = typer.Typer(help="Make tokens for sockets.", no_args_is_help=True)

NO_JSON = """--info is no JSON. Write it like '{"name": "Ada"}'."""

Json = Annotated[bool, json_option("Print the result as JSON.")]


@app.callback()
def _group() -> None:
    """Keep `create` a command of its own: with one command alone typer would leave it out."""


@app.command()
def create(
    user: Annotated[
        str, typer.Argument(help="The user whom the token names. Without one: nobody.")
    ] = "",
    *,
    channel: Annotated[
        str,
        typer.Option(help="Make a subscription token, for this channel. Its rule is not asked."),
    ] = "",
    subscribe: Annotated[
        list[str] | None,
        typer.Option(
            help="A channel that the server subscribes the client to; may be given several times."
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0.1, max=525_600, help="How long the token is good.")
    ] = 10.0,
    info: Annotated[
        str, typer.Option(help="What other clients see of the user beside its number, as JSON.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a token and print it. It cannot be revoked, so let it be good for minutes."""
    from msgspec import UNSET

    from trivet.features import load_features
    from trivet.identity import ANONYMOUS
    from trivet.identity.tokens import open_tokens
    from trivet_deploy.channel_names import require_channel, rules_of
    from trivet_deploy.unit import run_in_unit
    from trivet_settings import load_settings

    if channel and subscribe:
        raise typer.BadParameter("A subscription token has one channel: leave --subscribe out.")
    told: Any = _read(info) if info else UNSET
    settings = load_settings()
    rules = rules_of(load_features(settings.features))
    for each in (channel, *(subscribe or ())):
        if each:
            require_channel(rules, each)
    tokens = open_tokens(settings)
    identity = run_in_unit(settings, lambda db, _: _find(db, user)) if user else ANONYMOUS
    seconds = minutes * 60
    if channel:
        token = tokens.subscription(channel, identity, seconds=seconds, info=told)
    else:
        channels = subscribe or ()
        token = tokens.connection(identity, seconds=seconds, info=told, channels=channels)
    if as_json:
        print_json({"user": user, "channel": channel, "token": token})
    else:
        stdout.print(token, highlight=False, soft_wrap=True)


def _read(text: str) -> Any:
    from trivet.json_text import JsonError, read_json

    try:
        return read_json(text)
    except JsonError as error:
        raise typer.BadParameter(f"{NO_JSON} ({error})") from None


def _find(db: "Session", username: str) -> "Identity":
    from sqlalchemy import select

    from trivet import Identity
    from trivet.errors import Conflict, NotFound
    from trivet.identity.django_tables import users

    row = db.execute(select(users).where(users.c.username == username)).one_or_none()
    if row is None:
        raise NotFound("no-such-user", f"There is no user {username}.")
    if not row.is_active:
        raise Conflict(
            "user-disabled",
            f"{username} is disabled, and a token of theirs opens nothing: trivet users enable "
            f"{username}",
        )
    return Identity(user_id=row.id, username=username, kind="token")
