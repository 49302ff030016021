"""Open sockets are compared with the database: a revocation that nobody heard of ends them too."""

import asyncio
import json

import httpx2
import pytest

from tests.deploy.installation import execute
from tests.deploy.sockets import closing, socket
from tests.services.people import PASSWORD, People
from tests.services.server import Server, StartServer

pytestmark = pytest.mark.anyio

BOB = "(SELECT id FROM accounts_user WHERE username = 'bob')"
GONE, ASKED_AGAIN = "final", "comes back"
CASES = {
    "the key is revoked": (
        "key",
        f"UPDATE trivet_api_key SET revoked_at = '2026-01-01 00:00:00' WHERE owner_id = {BOB}",
        GONE,
    ),
    "the key has expired": (
        "key",
        f"UPDATE trivet_api_key SET expires_at = '2026-01-01 00:00:00' WHERE owner_id = {BOB}",
        GONE,
    ),
    "the key is deleted": ("key", f"DELETE FROM trivet_api_key WHERE owner_id = {BOB}", GONE),
    "the key has other scopes": (
        "key",
        "UPDATE accounts_user SET is_superuser = (1 = 1) WHERE username = 'bob';"
        f"UPDATE trivet_api_key SET scopes = '[\"a.b\"]' WHERE owner_id = {BOB}",
        ASKED_AGAIN,
    ),
    "the user is disabled": (
        "session",
        "UPDATE accounts_user SET is_active = (1 = 0) WHERE username = 'bob'",
        GONE,
    ),
    "the user has another password": (
        "session",
        "UPDATE accounts_user SET password = 'other' WHERE username = 'bob'",
        GONE,
    ),
    "the session is gone": ("session", "DELETE FROM django_session", GONE),
    "the user is staff now": (
        "session",
        "UPDATE accounts_user SET is_staff = (1 = 1) WHERE username = 'bob'",
        ASKED_AGAIN,
    ),
    "the user has another name": (
        "session",
        "UPDATE accounts_user SET username = 'robert' WHERE username = 'bob'",
        ASKED_AGAIN,
    ),
    "the user has another address": (
        "key",
        "UPDATE accounts_user SET email = 'bob@elsewhere.example' WHERE username = 'bob'",
        ASKED_AGAIN,
    ),
    "the user has a permission": (
        "key",
        "INSERT INTO accounts_user_user_permissions (user_id, permission_id) "
        f"SELECT {BOB}, min(id) FROM auth_permission",
        ASKED_AGAIN,
    ),
    "the user is in a group with a permission": (
        "key",
        f"""
        INSERT INTO auth_group (id, name) VALUES (77, 'g');
        INSERT INTO auth_group_permissions (group_id, permission_id)
        SELECT 77, min(id) FROM auth_permission;
        INSERT INTO accounts_user_groups (user_id, group_id) VALUES ({BOB}, 77)
        """,
        ASKED_AGAIN,
    ),
}


@pytest.fixture
def server(start_server: StartServer, peopled_database_url: str) -> Server:
    """A server that hears of no other process."""
    settings = {"broker": "memory", "identity_cache_seconds": "1"}
    return start_server("serve", database_url=peopled_database_url, **settings)


def headers_of_bob(kind: str, server: Server, people: People) -> dict[str, str]:
    if kind == "key":
        return {"authorization": f"Bearer {people.keys['bob']}"}
    body = {"username": "bob", "password": PASSWORD}
    answer = httpx2.post(f"{server.url}/api/auth/login", json=body, trust_env=False, timeout=60)
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


@pytest.mark.parametrize("case", CASES)
async def test_what_nobody_announced_ends_the_socket_and_no_other(
    server: Server, peopled_database_url: str, people: People, case: str
) -> None:
    kind, statements, outcome = CASES[case]
    headers = await asyncio.to_thread(headers_of_bob, kind, server, people)
    async with (
        socket(server, people.keys["chief"]) as other,
        socket(server, headers=headers) as meant,
    ):
        for statement in statements.split(";"):
            await asyncio.to_thread(execute, peopled_database_url, statement)
        code = await closing(meant)
        assert code is not None
        assert (3500 <= code < 4000) is (outcome == GONE), code
        await other.send('{"id": 2, "ping": {}}')
        assert json.loads(await other.recv()) == {"id": 2, "ping": {}}
