"""Static files: what has a hash in its name is kept, and everything else is asked about."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from anyio import to_thread

from tests.platform.bare import bare_root, client_of
from tests.platform.echo import echo
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import _route
from trivet.asgi.static_files import find_in_packages, hashed_name
from trivet.web import files, public

pytestmark = pytest.mark.anyio
PACKAGES = (("django.contrib.admin", "static"),)
NAME = "admin/css/base.css"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.b.css").write_text("body { color: red }")
    (folder / "plain").write_text("no suffix")
    return folder


@pytest.fixture
async def client(tmp_path: Path, folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    routes = [files("/f", folder, policy=public)]
    pages = MountedApp("x", "/x", _route(routes), lifespan=False)
    admin = MountedApp("app", "/app", echo, lifespan=False, static_packages=PACKAGES)
    root = await to_thread.run_sync(bare_root, tmp_path, [pages, admin])
    async with client_of(root) as client:
        yield client


def address(folder: Path, name: str) -> str:
    return hashed_name(name, folder / name)


async def test_a_hashed_name_is_kept_for_good_and_the_plain_one_is_asked_about(
    client: httpx2.AsyncClient, folder: Path
) -> None:
    hashed = await to_thread.run_sync(address, folder, "a.b.css")
    assert re.fullmatch(r"a\.b\.[0-9a-f]{12}\.css", hashed)
    kept_for_good = "public, max-age=31536000, immutable"
    for name, kept in ((hashed, kept_for_good), ("a.b.css", "public, no-cache")):
        answer = await client.get(f"/x/f/{name}")
        assert (answer.status_code, answer.text) == (200, "body { color: red }")
        assert answer.headers["cache-control"] == kept
        assert answer.headers["content-type"].startswith("text/css")
        again = await client.get(f"/x/f/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, kept)


async def test_a_hash_of_another_version_leads_to_the_file_that_is_there(
    client: httpx2.AsyncClient, folder: Path
) -> None:
    old = await to_thread.run_sync(address, folder, "a.b.css")
    await to_thread.run_sync((folder / "a.b.css").write_text, "body { color: blue; }")
    answer = await client.get(f"/x/f/{old}")
    assert (answer.status_code, answer.text) == (200, "body { color: blue; }")
    assert answer.headers["cache-control"] == "public, no-cache"


async def test_what_only_looks_hashed_is_no_file(client: httpx2.AsyncClient) -> None:
    for name in (
        "c.0123456789ab.css",
        "a.b.0123456789a.css",
        "../secret.0123456789ab.css",
        "f%00.css",
    ):
        assert (await client.get(f"/x/f/{name}")).status_code == 404, name
    assert (await client.get("/x/f/plain")).headers["cache-control"] == "public, no-cache"


async def test_files_of_packages_have_both_names_and_parts(client: httpx2.AsyncClient) -> None:
    file = await to_thread.run_sync(find_in_packages, PACKAGES, NAME)
    assert file is not None
    hashed = await to_thread.run_sync(hashed_name, NAME, file)
    whole = (await client.get(f"/static/{hashed}")).content
    part = await client.get(f"/static/{hashed}", headers={"range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, whole[3:10])
    assert part.headers["content-range"] == f"bytes 3-9/{len(whole)}"
    other = await client.get(f"/static/{hashed}", headers={"range": "lines=3-9"})
    assert (other.status_code, other.content) == (200, whole)
    assert await to_thread.run_sync(find_in_packages, PACKAGES, "admin/nothing.css") is None
