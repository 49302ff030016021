"""`trivet audit`: what was changed by whom, and whether the record of it is whole."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from trivet_deploy.cli.console import ExitCode, json_option, print_json, print_table, say, stdout
from trivet_deploy.counted import counted

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from trivet import Identity
    from trivet.audit import AuditEntry, Damage, Verdict

app = typer.Typer(help="Read and check the audit trail.", no_args_is_help=True)

OTHER_KEY = (
    "The trail was written under another key: was TRIVET_SECRET_KEY changed? Name the old secret "
    "in TRIVET_AUDIT_KEYS, behind the one that is to write, and check again."
)

Json = Annotated[bool, json_option("Print the result as JSON.")]


@app.command("verify")
def verify_(
    anchor: Annotated[
        str | None,
        typer.Option(help="What an earlier check printed: the trail must go on from there."),
    ] = None,
    anchor_file: Annotated[
        Path | None,
        typer.Option(
            help="Where the anchor is kept: read if the file is there, and written when the trail "
            "is whole. Put it where the writers of the database are not."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every entry, and print the anchor of the trail: keep it where this database is not.

    Exits with 1, and a line for each damage, if an entry was edited, moved, removed or inserted.
    """
    if anchor is not None and anchor_file is not None:
        raise typer.BadParameter("give --anchor or --anchor-file, not both")
    if anchor_file is not None and anchor_file.exists():
        anchor = anchor_file.read_text()
    from trivet.audit import Anchor, AuditTrail, verify
    from trivet_deploy.unit import run_in_unit
    from trivet_settings import load_settings

    settings = load_settings()
    earlier = None if anchor is None else Anchor.parse(anchor)
    found: list[Damage] = []

    def check(db: "Session", _actor: "Identity") -> "Verdict":
        trail = AuditTrail(settings.audit_secrets)
        report = found.append if as_json else _print_damage
        return verify(db, trail, anchor=earlier, report=report)

    verdict = run_in_unit(settings, check, read_only=True)
    if as_json:
        summary = {"clean": verdict.is_clean, "entries": verdict.entries}
        damages = [asdict(damage) for damage in found]
        print_json({**summary, "anchor": str(verdict.anchor), "damages": damages})
    else:
        _print_verdict(verdict)
    if not verdict.is_clean:
        raise typer.Exit(ExitCode.NO)
    if anchor_file is not None:
        _keep(anchor_file, str(verdict.anchor))


def _keep(path: Path, anchor: str) -> None:
    """Replace the file in one step, so that a crash leaves the old anchor or the new one."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(f"{anchor}\n")
    new.replace(path)


@app.command("list")
def list_(
    *,
    table: Annotated[str | None, typer.Option(help="Only rows of this database table.")] = None,
    key: Annotated[str | None, typer.Option(help="Only the row with this primary key.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this user did.")] = None,
    request: Annotated[str | None, typer.Option(help="Only what this request did, by id.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only what came at or after this instant, in UTC.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List entries, newest first."""
    from trivet.audit.reading import list_entries
    from trivet.audit.summary import summarise
    from trivet_deploy.unit import run_in_unit
    from trivet_settings import load_settings

    instant = None if since is None else since.replace(tzinfo=since.tzinfo or UTC)

    def read(db: "Session", _actor: "Identity") -> "list[AuditEntry]":
        return list_entries(
            db,
            table=table,
            key=key,
            actor=actor,
            request_id=request,
            since=instant,
            limit=limit,
        )

    entries = run_in_unit(load_settings(), read, read_only=True)
    if as_json:
        print_json([_as_dict(entry) for entry in entries])
        return
    shown = Table("at (UTC)", "who", "origin", "request", "what", "changes", box=None)
    for entry in entries:
        what = f"{entry.kind} {entry.table_name} {entry.row_key}"
        at, who = f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.actor or entry.actor_kind
        shown.add_row(at, who, entry.origin, entry.request_id, what, summarise(entry.changes))
    print_table(shown)


def _as_dict(entry: "AuditEntry") -> dict[str, Any]:
    import msgspec

    from trivet.audit import AuditEntry

    row = {column.key: getattr(entry, column.key) for column in AuditEntry.__table__.columns}
    return {**row, "changes": msgspec.json.decode(entry.changes)}


def _print_damage(damage: "Damage") -> None:
    where = f"chain {damage.chain}"
    if damage.entry is not None:
        where += f", entry {damage.entry}"
    if damage.last not in (None, damage.entry):
        where += f" to {damage.last}"
    at = f" ({damage.at:%Y-%m-%d %H:%M:%S} UTC)" if damage.at else ""
    line = f"{damage.kind}: {where}{at}: {damage.detail}"
    stdout.print(line, highlight=False, soft_wrap=True)


def _print_verdict(verdict: "Verdict") -> None:
    count = counted(verdict.entries, "entry", "entries")
    if verdict.is_clean:
        say(f"The trail is whole: {count}. Keep this anchor where the database's writers are not:")
        stdout.print(str(verdict.anchor), highlight=False, soft_wrap=True)
        return
    say(f"The trail is damaged in {counted(verdict.damages, 'place')}; {count} checked.")
    if verdict.other_keys:
        say(OTHER_KEY)
    elif verdict.entries and verdict.damages >= verdict.entries:
        say("If nothing of it holds, the key is another: TRIVET_AUDIT_KEYS, or the secret key.")
