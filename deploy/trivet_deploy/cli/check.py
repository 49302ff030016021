"""`trivet check`: would this installation run, and should it run like this?"""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from trivet_deploy.checks.centrifugo import find_centrifugo
from trivet_deploy.checks.environment import find_unread
from trivet_deploy.checks.finding import Finding, advise
from trivet_deploy.checks.rights import find_rights
from trivet_deploy.cli.console import ExitCode, json_option, print_json, print_table, stdout
from trivet_deploy.counted import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trivet import Platform
    from trivet.asgi.mount import MountedApp
    from trivet_settings import Settings

_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}


def check(
    as_json: Annotated[bool, json_option("Print the findings as JSON.")] = False,
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
                markup=True,
                soft_wrap=True,
            )
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(ExitCode.NO)


def find(settings: "Settings") -> Iterator[Finding]:
    """Everything there is to find, in the order in which one would repair it."""
    from trivet.asgi.root import pages_of
    from trivet_deploy.asgi import list_mounts
    from trivet_deploy.composition import open_platform_with_django

    yield Finding("settings", "ok", "complete and valid")
    platform = open_platform_with_django(settings)
    yield Finding("features", "ok", ", ".join(f.name for f in platform.features) or "none")
    mounts = list_mounts(platform)
    yield Finding("mounts", "ok", ", ".join(m.prefix for m in mounts))
    served = [*mounts, *pages_of(platform.features)]
    yield from _find_joined(settings, served)
    yield from _find_in_code(platform, served)
    database = _find_database(settings)
    yield database
    if database.state == "ok":
        yield from _find_pooler(settings)
        yield from _find_replicas(settings)
        migrations = _find_migrations(settings)
        yield migrations
        if migrations.state == "ok":
            yield from _find_row_security(settings, platform)
            yield from _find_views(settings)
            yield from find_rights(settings)
            yield _find_audit(settings)
            yield from _find_pages()
            yield from find_centrifugo(settings)
    yield _find_broker(settings)
    yield from _find_throttle(settings, platform)
    yield from _find_undeclared_outcomes()
    yield from find_unwise(settings)


def _find_in_code(platform: "Platform", mounts: "Sequence[MountedApp]") -> Iterator[Finding]:
    """The mistakes, certain or probable, in the features' own files."""
    from trivet.capture.following import find_unseen
    from trivet_admin.site.by_default import find_classes_left_out
    from trivet_deploy.checks.channels import find_closed
    from trivet_deploy.checks.files import find_idle_admins, find_unplugged
    from trivet_deploy.checks.indexes import find_missing_indexes
    from trivet_deploy.checks.permissions import (
        CURE,
        find_unknown,
        find_unknown_in_code,
        known_permissions,
    )
    from trivet_deploy.checks.rules import find_loose_rules, find_nameless_rules
    from trivet_deploy.checks.system_checks import run_system_checks

    features, known = platform.features, known_permissions()
    wrong = [
        *(Finding("permissions", "failed", f"{s} {CURE}.") for s in find_unknown(mounts, known)),
        *(
            Finding("django", "failed" if check.is_error else "warning", check.sentence)
            for check in run_system_checks()
        ),
        *(Finding("rules", "failed", each) for each in find_nameless_rules(features)),
    ]
    if not any(finding.state == "failed" for finding in wrong):
        yield Finding("permissions", "ok", "every policy asks for one that there is")
    yield from wrong
    for name, sentences in (
        ("permissions", find_unknown_in_code(features, known)),
        ("files", find_unplugged(features)),
        ("admin", find_idle_admins(features)),
        ("admin", find_classes_left_out()),
        ("capture", find_unseen()),
        ("channels", find_closed(features)),
        ("indexes", find_missing_indexes(features)),
        ("rules", find_loose_rules(features)),
    ):
        yield from (advise(name, sentence) for sentence in sentences)


def _find_pages() -> Iterator[Finding]:
    """What visitors of the admin would meet."""
    from trivet_deploy.checks.pages import find_broken_pages

    faults = [Finding("pages", "failed", sentence) for sentence in find_broken_pages()]
    yield from faults or [Finding("pages", "ok", "every list and form of the admin opens")]


def _find_joined(settings: "Settings", mounts: "Sequence[MountedApp]") -> Iterator[Finding]:
    """The Django applications that have joined, and what their project says to nobody."""
    from trivet_admin.configuration import find_settings_left_out
    from trivet_admin.joined.urls import find_lost_login
    from trivet_deploy.django_commands import list_joined

    if joined := list_joined():
        yield Finding("django applications", "ok", ", ".join(joined))
    if left_out := find_settings_left_out(settings):
        sentence = f"read, but for what Trivet has its own: {', '.join(left_out)}"
        yield Finding(settings.django_settings, "ok", sentence)
    if lost := find_lost_login([mounted.prefix for mounted in mounts]):
        yield advise(settings.django_settings, lost)


def _find_database(settings: "Settings") -> Finding:
    from trivet_deploy.schema import find_database_fault

    fault = find_database_fault(settings)
    answers = f"{settings.database.masked} answers"
    return Finding("database", "failed" if fault else "ok", fault or answers)


def _find_pooler(settings: "Settings") -> Iterator[Finding]:
    from trivet_deploy.schema import find_pooler_fault

    sentence, breaks = find_pooler_fault(settings)
    if sentence:
        yield Finding("pooler", "failed" if breaks else "warning", sentence)
    elif settings.database_pooler != "none":
        kind = settings.database_pooler
        yield Finding("pooler", "ok", f"it lends a connection for each {kind}")


def _find_replicas(settings: "Settings") -> Iterator[Finding]:
    from trivet_deploy.schema import find_replica_faults

    if not settings.replica_urls:
        return
    faults = list(find_replica_faults(settings))
    if not faults:
        count = len(settings.replica_urls)
        yield Finding("replicas", "ok", f"{count} of {count} can be read from")
    for sentence, breaks in faults:
        yield Finding("replicas", "failed" if breaks else "warning", sentence)


def _find_migrations(settings: "Settings") -> Finding:
    from trivet_deploy.schema import find_drift

    drift = find_drift(settings)
    if not drift.sentences:
        but = f". {drift.uncompared.rstrip('.')}" if drift.uncompared else ""
        return Finding("migrations", "ok", f"models, migrations and database agree{but}")
    first, *others = drift.sentences
    rest = f", and {len(others)} more (`trivet migrate --check` lists them)" if others else ""
    cure = f". To cure it, {drift.cure}" if drift.cure else ""
    return Finding("migrations", "failed", f"{first.rstrip('.')}{rest}{cure}")


def _find_row_security(settings: "Settings", platform: "Platform") -> Iterator[Finding]:
    """Whether PostgreSQL keeps tenants apart by itself, where a rule asks for it."""
    from trivet import migrations
    from trivet_deploy.schema import find_security_faults

    tables = migrations.wanted_policies(platform.features)
    if not tables:
        return
    if settings.database.is_sqlite:
        yield Finding("row security", "ok", "SQLite has none: the rules alone keep tenants apart")
        return
    faults = list(find_security_faults(settings))
    yield from (Finding("row security", "failed", sentence) for sentence in faults)
    if not faults:
        of = counted(len(tables), "table")
        yield Finding("row security", "ok", f"PostgreSQL asks who may see rows of {of}")


def _find_views(settings: "Settings") -> Iterator[Finding]:
    """The views, and tables of others, on which mapped classes stand and that are not there."""
    from trivet_deploy.schema import find_missing_views

    missing = list(find_missing_views(settings))
    yield from (Finding("views", "failed", sentence) for sentence in missing)


def _find_broker(settings: "Settings") -> Finding:
    """Whether the service that carries messages between processes can be reached."""
    import anyio

    from trivet.delivery.opening import find_broker_fault

    if settings.broker_address == "memory":
        sentence = (
            "none between processes: right for one worker. It finds by polls what commands change"
        )
        return Finding("broker", "ok", sentence)
    where, fault = anyio.run(find_broker_fault, settings)
    if fault:
        return Finding("broker", "failed", f"{where}: {fault}")
    return Finding("broker", "ok", f"{where} carries messages between processes")


def _find_throttle(settings: "Settings", platform: "Platform") -> Iterator[Finding]:
    """Whether the service that counts failed logins for all processes does so."""
    if not settings.throttle_store.get_secret_value():
        return
    throttle = platform.login_throttle
    fault, where = throttle.find_fault(), throttle.address
    if fault:
        sentence = f"{where}: {fault}. Until then each process counts failed logins for itself"
        yield Finding("logins", "failed", sentence)
    else:
        yield Finding("logins", "ok", f"{where} counts failed ones for all processes")


def _find_undeclared_outcomes() -> Iterator[Finding]:
    """Views of other people's packages whose refusals would be rolled back."""
    from trivet_admin.outcomes import find_undeclared

    for sentence in find_undeclared():
        yield Finding("outcomes", "warning", sentence)


def _find_audit(settings: "Settings") -> Finding:
    """Whether this process can go on with the trail that is there. Its entries are not read."""
    from trivet.audit import AuditTrail
    from trivet.audit.verification import find_other_keys
    from trivet_deploy.cli.audit import OTHER_KEY
    from trivet_deploy.unit import run_in_unit

    trail = AuditTrail(settings.audit_secrets)
    if run_in_unit(settings, lambda db, _actor: find_other_keys(db, trail=trail), read_only=True):
        return Finding("audit trail", "failed", OTHER_KEY)
    return Finding("audit trail", "ok", "sealed under a key that is known here")


def find_unwise(settings: "Settings") -> Iterator[Finding]:
    """Advice on settings that work but are unwise for an installation that others reach."""
    public = settings.public
    is_local = "localhost" in public.hosts
    if settings.debug and not is_local:
        yield advise("TRIVET_DEBUG", f"shows tracebacks to everybody who reaches {public}")
    if not public.is_secure and not is_local:
        yield advise(
            "TRIVET_PUBLIC_URL", "without https, passwords and cookies travel in the clear"
        )
    if public.is_secure and not settings.trusted_proxies:
        yield advise(
            "TRIVET_TRUSTED_PROXIES",
            "names nobody: behind a proxy that ends TLS, every request seems to come from it",
        )
    if "*" in settings.trusted_proxies:
        yield advise("TRIVET_TRUSTED_PROXIES", "lets every client choose its own address with *")
    yield from find_unread(os.environ)
    env_file = Path(".env")
    if env_file.is_file() and env_file.stat().st_mode & 0o077:
        yield advise(".env", "others can read the secrets in it: chmod 600 .env")


def _print_settings(as_json: bool) -> None:
    from trivet_settings.description import describe

    if as_json:
        print_json([asdict(setting) for setting in describe()])
        return
    table = Table("variable", "default", "unit", "meaning", box=None, header_style="bold")
    for setting in describe():
        default = Text("required", style="bold") if setting.required else setting.default
        table.add_row(setting.variable, default, setting.unit, setting.text)
    print_table(table)
