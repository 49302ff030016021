"""`trivet check`: would this installation run, and should it run like this?"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from trivet_deploy.cli.console import ExitCode, first_line, print_json, print_table, stdout

if TYPE_CHECKING:
    from trivet_settings import Settings

_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. A warning is an advice, a failure means that it will not work."""

    name: str
    state: Literal["ok", "warning", "failed"]
    sentence: str


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    settings_only: Annotated[
        bool,
        typer.Option("--settings", help="Print every setting and stop."),
    ] = False,
) -> None:
    """Check settings, features, database, migrations and what is unwise in production.

    Exit code 1 when something will not work, 3 when the settings or features themselves are
    wrong; advice alone is 0.
    """
    if settings_only:
        _print_settings(as_json)
        return
    from trivet_settings import load_settings

    findings = list(find(load_settings()))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            stdout.print(
                f"{_MARKS[finding.state]} {finding.name}: {escape(finding.sentence)}",
                highlight=False,
                soft_wrap=True,
            )
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(ExitCode.NO)


def find(settings: "Settings") -> Iterator[Finding]:
    """Everything there is to find, in the order in which one would repair it."""
    from trivet_deploy.asgi import list_mounts
    from trivet_deploy.composition import open_platform_with_django

    yield Finding("settings", "ok", "complete and valid")
    platform = open_platform_with_django(settings)
    yield Finding("features", "ok", ", ".join(f.name for f in platform.features) or "none")
    yield Finding("mounts", "ok", ", ".join(m.prefix for m in list_mounts(platform)))
    database = _find_database(settings)
    yield database
    if database.state == "ok":
        migrations = _find_migrations(settings)
        yield migrations
        if migrations.state == "ok":
            yield _find_audit(settings)
    yield from find_unwise(settings)


def _find_database(settings: "Settings") -> Finding:
    import anyio

    from trivet_deploy.composition import open_platform_with_django

    database, where = open_platform_with_django(settings).database, settings.database

    async def ping() -> None:
        try:
            await database.ping()
        finally:
            await database.close()

    if where.is_sqlite and not where.path.exists():
        # Asking SQLite would make the file, and a check changes nothing.
        return Finding("database", "failed", f"{where.masked} does not exist: run `trivet migrate`")
    try:
        anyio.run(ping)
    except Exception as error:  # noqa: BLE001  # whatever the driver raises means the same here
        return Finding("database", "failed", f"{where.masked} does not answer: {first_line(error)}")
    return Finding("database", "ok", f"{where.masked} answers")


def _find_migrations(settings: "Settings") -> Finding:
    from trivet_deploy.cli.migrate import find_drift

    drift = [sentence for sentences in find_drift(settings).values() for sentence in sentences]
    if not drift:
        return Finding("migrations", "ok", "models, migrations and database agree")
    rest = f", and {len(drift) - 1} more: see `trivet migrate --check`" if len(drift) > 1 else ""
    return Finding("migrations", "failed", f"{drift[0]}{rest}")


def _find_audit(settings: "Settings") -> Finding:
    """Whether this process can go on with the trail that is there. Its entries are not read."""
    from functools import partial

    from trivet.audit import AuditTrail
    from trivet.audit.verification import find_other_keys
    from trivet_deploy.cli.audit import OTHER_KEY
    from trivet_deploy.unit import run_in_unit

    trail = AuditTrail(settings.audit_secrets)
    if run_in_unit(settings, partial(find_other_keys, trail=trail), read_only=True):
        return Finding("audit trail", "failed", OTHER_KEY)
    return Finding("audit trail", "ok", "sealed under a key that is known here")


def find_unwise(settings: "Settings") -> Iterator[Finding]:
    """What would work and should not be: advice for an installation that others reach."""
    public = settings.public
    is_local = "localhost" in public.hosts
    if settings.debug and not is_local:
        yield _advice("TRIVET_DEBUG", f"shows tracebacks to everybody who reaches {public}")
    if not public.is_secure and not is_local:
        yield _advice(
            "TRIVET_PUBLIC_URL", "without https, passwords and cookies travel in the clear"
        )
    if public.is_secure and not settings.trusted_proxies:
        yield _advice(
            "TRIVET_TRUSTED_PROXIES",
            "names nobody: behind a proxy that ends TLS, every request seems to come from it",
        )
    if "*" in settings.trusted_proxies:
        yield _advice("TRIVET_TRUSTED_PROXIES", "lets every client choose its own address with *")


def _advice(variable: str, sentence: str) -> Finding:
    return Finding(variable, "warning", sentence)


def _print_settings(as_json: bool) -> None:
    from trivet_settings import describe

    if as_json:
        print_json([asdict(setting) for setting in describe()])
        return
    table = Table("variable", "default", "unit", "meaning", box=None, header_style="bold")
    for setting in describe():
        default = "[bold]required[/]" if setting.required else escape(setting.default)
        table.add_row(setting.variable, default, escape(setting.unit), setting.text)
    print_table(table)
