"""From an empty directory to a week of flights, a user and a key; a second time nothing changes."""

import sys
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.errors import ConfigurationError
from trivet.identity import Identity
from trivet.identity.django_tables import users
from trivet.identity.keys import issue_key, list_keys
from trivet_deploy.demo.home import Credentials, DemoHome
from trivet_deploy.schema import apply_all
from trivet_deploy.unit import run_in_unit
from trivet_deploy.user_commands import create_user
from trivet_settings import Settings

EXAMPLES = Path(__file__).parents[3] / "examples"
ACTOR = "demo"


def find_examples() -> None:
    """Make the feature `departures` importable. Raises ConfigurationError without a checkout."""
    if find_spec("departures") is not None:
        return
    if not (EXAMPLES / "departures").is_dir():
        raise ConfigurationError(
            "no-examples",
            "The demonstration and its flights are part of the source checkout, and this is an "
            "installed package: clone the repository and type `make demo` there.",
        )
    sys.path.insert(0, str(EXAMPLES))


def seed(home: DemoHome, settings: Settings, console: Console) -> Credentials:
    """Migrate, import, and make the user and the key; returns the credentials that work."""
    apply_all(settings)
    _import_week(settings, console)
    _make_user(home.credentials(), settings)
    _make_key(home, settings)
    return home.credentials()


def _import_week(settings: Settings, console: Console) -> None:
    from departures.importing import import_week, progress_bar

    with progress_bar(console) as progress:
        summary = run_in_unit(
            settings,
            lambda db, by: import_week(db, by, progress=progress),
            actor=ACTOR,
        )
    if summary.added["Flight"] == 0:
        console.print("The flights of the week are there already.")
        return
    for line in summary.lines():
        console.print(f"  {line}", highlight=False, markup=False)


def _make_user(credentials: Credentials, settings: Settings) -> None:
    if run_in_unit(settings, lambda db, _actor: _user_id(db, credentials.username)) is None:
        create_user(
            credentials.username,
            f"{credentials.username}@example.org",
            credentials.password,
            is_staff=True,
            is_superuser=True,
        )


def _make_key(home: DemoHome, settings: Settings) -> None:
    credentials = home.credentials()

    def issue(db: Session, _actor: Identity) -> str | None:
        known = {key.prefix for key in list_keys(db)}
        if "_".join(credentials.api_key.split("_")[:2]) in known:
            return None
        owner_id = _user_id(db, credentials.username)
        assert owner_id is not None, "made just before"
        return issue_key(db, owner_id=owner_id, label="The demonstration's replay")[1]

    if made := run_in_unit(settings, issue):
        home.keep_key(made)


def _user_id(db: Session, username: str) -> int | None:
    return db.scalar(select(users.c.id).where(users.c.username == username))
