"""The shop, adopted from its existing database and served, for all tests of this folder."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.admin.forms import Page, read_page
from tests.chinook.shop import TABLES, copy_example, make_on_postgresql, rows_of
from tests.deploy.installation import Installation
from tests.deploy.schemas import shape_of
from tests.services.databases import Databases
from tests.services.people import PASSWORD, make_key, make_user
from tests.services.server import Server, StartServer


@dataclass(frozen=True, slots=True)
class Adoption:
    """What an adoption did. Each state is the shapes of all the shop's tables and their rows:
    before anything, once the plan was shown, and at the end."""

    installation: Installation
    directory: Path
    plan: str
    states: tuple[Any, Any, Any]


class Staff:
    """Somebody's browser in the admin of a server."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client
        self.send(self.get("/admin/login/"), username="ada", password=PASSWORD)

    def get(self, path: str, **query: str) -> Page:
        return read_page(self.client.get(path, params=query or None))

    def send(self, page: Page, **values: str) -> Page:
        """Send the main form of `page`, with `values` in place of what it holds."""
        return read_page(self.client.post(page.path, data={**page.form, **values}))


def state_of(url: str) -> Any:
    return shape_of(url, TABLES), rows_of(url)


@pytest.fixture(scope="session")
def shop_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example's folder, with the database in it that its own command makes."""
    directory = copy_example(tmp_path_factory.mktemp("shop"))
    command = [sys.executable, "-m", "chinook", "chinook.sqlite3"]
    subprocess.run(command, cwd=directory, check=True)
    return directory


@pytest.fixture(scope="session")
def shop_adoption(
    shop_directory: Path, databases: Databases, database_kind: str
) -> Iterator[Adoption]:
    """The shop's database, adopted after a look at the plan."""
    made = shop_directory / "chinook.sqlite3"
    url = f"sqlite:///{made}" if database_kind == "sqlite" else databases.create_empty()
    if database_kind == "postgresql":
        make_on_postgresql(url, made)
    installation = Installation(url)
    installation.env |= {"TRIVET_FEATURES": "store", "PYTHONPATH": str(shop_directory)}

    before = state_of(url)
    plan = installation.run("adopt", "store", code=1).stdout
    planned = state_of(url)
    installation.run("adopt", "store", "--yes")
    yield Adoption(installation, shop_directory, plan, (before, planned, state_of(url)))

    databases.drop(url)


@pytest.fixture(scope="module")
def shop_server(shop_adoption: Adoption, start_shared_server: StartServer) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(shop_adoption.directory))
        make_user(shop_adoption.installation.url, "ada", "--superuser")
        yield start_shared_server(database_url=shop_adoption.installation.url, features="store")


@pytest.fixture(scope="module")
def staff(shop_server: Server) -> Iterator[Staff]:
    with httpx2.Client(
        base_url=shop_server.url, follow_redirects=True, timeout=60, trust_env=False
    ) as client:
        yield Staff(client)


@pytest.fixture(scope="module")
def program(shop_server: Server, shop_adoption: Adoption) -> Iterator[httpx2.Client]:
    """A client of the API that has a key."""
    key = make_key(shop_adoption.installation.url, "ada")
    with httpx2.Client(
        base_url=f"{shop_server.url}/api/store",
        headers={"authorization": f"Bearer {key}"},
        timeout=60,
        trust_env=False,
    ) as client:
        yield client
