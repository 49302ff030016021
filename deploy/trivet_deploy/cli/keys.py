"""`trivet keys`: keys for programs that use the API."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from trivet_deploy.cli.console import json_option, print_json, print_table, say, stdout

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from trivet import Identity
    from trivet.identity.keys import ApiKey

app = typer.Typer(help="Manage the API keys of programs.", no_args_is_help=True)

Json = Annotated[bool, json_option("Print the result as JSON.")]


@app.command()
def create(
    owner: Annotated[str, typer.Argument(help="The user whose permissions the key has.")],
    label: Annotated[str, typer.Option(help="What the key is for.")],
    days: Annotated[
        int | None,
        typer.Option(
            min=0, max=3650, help="Days until it expires; 0: it never does. By default a year."
        ),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="A permission that the key is limited to, such as app.view_thing; may be given "
            "several times. Without any, the key may do all that its owner may."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from trivet.identity.keys import DEFAULT_DAYS, issue_key
    from trivet_deploy.unit import run_in_unit
    from trivet_settings import load_settings

    days = DEFAULT_DAYS if days is None else days
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None

    def issue(db: "Session", _actor: "Identity") -> "tuple[ApiKey, str]":
        return issue_key(
            db,
            owner_id=_owner_id(db, owner),
            label=label,
            expires_at=expires_at,
            scopes=scope or None,
        )

    key, secret = run_in_unit(load_settings(), issue)
    if as_json:
        print_json({**_row(key, owner), "key": secret})
    else:
        say(f"This is the key {key.prefix} of {owner}. It is not shown again.")
        stdout.print(secret, highlight=False, soft_wrap=True)


@app.command("list")
def list_(
    owner: Annotated[str | None, typer.Option(help="Only the keys of this user.")] = None,
    as_json: Json = False,
) -> None:
    """List keys, newest first. The keys themselves cannot be shown."""
    from sqlalchemy import select

    from trivet.identity.django_tables import users
    from trivet.identity.keys import list_keys
    from trivet_deploy.unit import run_in_unit
    from trivet_settings import load_settings

    def read(db: "Session", _actor: "Identity") -> list[dict[str, Any]]:
        owner_id = _owner_id(db, owner) if owner else None
        keys = list_keys(db, owner_id=owner_id)
        names = dict(db.execute(select(users.c.id, users.c.username)).tuples().all())
        return [_row(key, names.get(key.owner_id, "")) for key in keys]

    rows = run_in_unit(load_settings(), read)
    if as_json:
        print_json(rows)
        return
    table = Table("key", "owner", "label", "made", "expires", "last used", box=None)
    table.add_column("scopes", overflow="fold")
    table.add_column("state")
    for row in rows:
        table.add_row(*(_shown(name, value) for name, value in row.items()))
    print_table(table)


@app.command()
def revoke(
    prefix: Annotated[str, typer.Argument(help="The key's beginning, as in `trivet keys list`.")],
    as_json: Json = False,
) -> None:
    """Revoke a key for good. A second time changes nothing."""
    from trivet.identity.keys import revoke_key
    from trivet_deploy.unit import run_in_unit
    from trivet_settings import load_settings

    def end(db: "Session", _actor: "Identity") -> dict[str, Any]:
        # The whole key may be pasted too; its beginning is enough.
        key = revoke_key(db, "_".join(prefix.split("_")[:2]))
        return _row(key, "")

    row = run_in_unit(load_settings(), end)
    if as_json:
        print_json({name: value for name, value in row.items() if name != "owner"})
    else:
        say(f"The key {row['prefix']} is revoked.")


def _owner_id(db: "Session", username: str) -> int:
    from sqlalchemy import select

    from trivet.errors import NotFound
    from trivet.identity.django_tables import users

    found = db.scalar(select(users.c.id).where(users.c.username == username))
    if found is None:
        raise NotFound("no-such-user", f"There is no user {username}.")
    return int(found)


def _row(key: "ApiKey", owner: str) -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "owner": owner,
        "label": key.label,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "scopes": key.scopes,
        "state": key.state(datetime.now(UTC)),
    }


def _shown(name: str, value: Any) -> str:
    if name == "scopes":
        return "all of the owner's" if value is None else " ".join(value) or "none"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return "never" if value is None else str(value)
