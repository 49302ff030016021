"""Users and keys, made by the command line as an operator would.

What tests need of people is made once a run, and every test gets a copy of the result:

| fixture | what it gives |
|---|---|
| `people` | the keys of those who have one, by name |
| `peopled_database_url` | a migrated database with `PEOPLE` at an address of its own |
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.services.databases import Databases, environment, run_trivet

PASSWORD = "correct horse battery staple"
PEOPLE: Mapping[str, tuple[str, ...]] = {
    "ada": ("--staff",),
    "bob": (),
    "chief": ("--superuser",),
}
WITH_A_KEY = ("bob", "chief")


@dataclass(frozen=True, slots=True)
class People:
    """Everybody of `PEOPLE`, with `PASSWORD`; `keys` are the API keys of `WITH_A_KEY`."""

    database_url: str
    keys: Mapping[str, str]


def make_user(database_url: str, username: str, *flags: str) -> None:
    """A user with `PASSWORD`. Raises RuntimeError, with the output, if the command fails."""
    command = ("users", "create", username, f"--email={username}@example.org", "--password-stdin")
    done = run_trivet(*command, *flags, env=environment(database_url), given=PASSWORD + "\n")
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)


def make_key(database_url: str, username: str, *options: str) -> str:
    """A user's new API key. Raises RuntimeError, with the output, if the command fails."""
    env = environment(database_url)
    done = run_trivet("keys", "create", username, "--label=tests", *options, env=env)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout.strip()


@pytest.fixture(scope="session")
def people(databases: Databases) -> People:
    """The keys of those who have one, and the database that is copied."""
    url = databases.create()
    for username, flags in PEOPLE.items():
        make_user(url, username, *flags)
    return People(url, {username: make_key(url, username) for username in WITH_A_KEY})


@pytest.fixture
def peopled_database_url(databases: Databases, people: People) -> Iterator[str]:
    """A migrated database with `PEOPLE` at an address of its own."""
    url = databases.copy(people.database_url)
    yield url
    databases.drop(url)
