"""The pages of live connections: who may open them, what they do, what they bear."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import pytest

from tests.admin.grant_changes import with_connections
from tests.admin.house import House
from trivet import Identity
from trivet.delivery.controls import ClientControl
from trivet.origin import Origin
from trivet_realtime.bounds import Bounds
from trivet_realtime.channels import collect_rules
from trivet_realtime.client import Client
from trivet_realtime.hub import Hub
from trivet_realtime.mount import running

pytestmark = pytest.mark.anyio

PAGE = "/admin/trivet/connection/"
VIEW, DISCONNECT = "view_connection", "disconnect_connection"


@dataclass(frozen=True)
class Sockets:
    """A hub in the process of the admin, with a client of the user 77 and one of nobody."""

    hub: Hub
    client: Client
    stranger: Client

    @property
    def paths(self) -> Sequence[str]:
        """The address of every page; those that end something last."""
        one = f"{PAGE}{self.client.id}/"
        return PAGE, one, f"{one}disconnect/", f"{PAGE}user/1/disconnect/"


@pytest.fixture
async def sockets(house: House) -> AsyncIterator[Sockets]:
    hub = Hub(collect_rules({}), house.platform, Bounds())
    somebody = Identity(user_id=77, username="<b>sam</b>", kind="session")
    clients = [hub.admit(Origin(each, "realtime", "handshake")) for each in (somebody, None)]
    for client in clients:
        client.is_connected = True
    async with running(hub, house.platform):
        yield Sockets(hub, *clients)


async def allow(username: str, *codenames: str) -> None:
    """Let somebody have these permissions, and no others."""

    def work() -> None:
        from django.apps import apps
        from django.contrib.auth import get_user_model
        from django.contrib.auth.management import create_permissions
        from django.contrib.auth.models import Permission

        create_permissions(apps.get_app_config("trivet"), verbosity=0)
        found = Permission.objects.filter(codename__in=codenames)
        assert found.count() == len(codenames)
        user: Any = get_user_model().objects.get(username=username)
        user.user_permissions.set(found)

    await anyio.to_thread.run_sync(with_connections, work)


async def code_of(client: Client) -> int:
    """By which code a connection ends, which is bound to come."""
    async with asyncio.timeout(60):
        return (await client.wait_for_end()).code


async def entries(house: House) -> list[tuple[Any, ...]]:
    query = (
        "SELECT actor, row_key, changes FROM trivet_audit_entry "
        "WHERE table_name = 'trivet_socket' ORDER BY at, id"
    )
    return await house.rows(query)


# who has what, and the status of: all, one, the end of one, the end of a user's
DOORS = [
    ((), (403, 403, 403, 403)),
    ((VIEW,), (200, 200, 403, 403)),
    ((DISCONNECT,), (403, 403, 403, 403)),
    ((VIEW, DISCONNECT), (200, 200, 200, 200)),
]


@pytest.mark.parametrize(("permissions", "statuses"), DOORS)
async def test_each_page_has_its_permission(
    house: House, sockets: Sockets, permissions: tuple[str, ...], statuses: tuple[int, ...]
) -> None:
    await allow("clerk", *permissions)
    async with house.visit("clerk") as clerk:
        found = [await clerk.get(path) for path in sockets.paths]
        overview = await clerk.get("/admin/")
        assert tuple(page.status for page in found) == statuses
        assert ("Live connections" in overview.words) is (VIEW in permissions)
        if found[0].status == 200:
            assert ("Disconnect" in found[0].words) is (DISCONNECT in permissions)
        if found[2].status == 403:
            await check_nothing_ends(clerk, house, sockets)


async def check_nothing_ends(clerk: Any, house: House, sockets: Sockets) -> None:
    """A form that somebody kept, sent all the same."""
    token = (await clerk.get("/admin/password_change/")).form["csrfmiddlewaretoken"]
    for path in sockets.paths[2:]:
        answer = await clerk.http.post(path, data={"csrfmiddlewaretoken": token, "user": "77"})
        assert answer.status_code == 403
    assert sockets.client.ending is None
    assert await entries(house) == []


async def test_nobody_and_no_staff_are_sent_to_the_login(house: House, sockets: Sockets) -> None:
    async with house.client() as visitor:
        for path in sockets.paths:
            answer = await visitor.http.get(path)
            assert answer.status_code == 302
            assert "/admin/login/" in answer.headers["location"]


async def test_a_form_without_its_token_ends_nothing(house: House, sockets: Sockets) -> None:
    async with house.visit() as boss:
        for path in sockets.paths[2:]:
            answer = await boss.http.post(path, data={"user": "77"})
            assert answer.status_code == 403
    assert sockets.client.ending is None
    assert await entries(house) == []


async def test_pages_that_only_show_take_no_form(house: House, sockets: Sockets) -> None:
    async with house.visit() as boss:
        token = (await boss.get("/admin/password_change/")).form["csrfmiddlewaretoken"]
        for path in sockets.paths[:2]:
            answer = await boss.http.post(path, data={"csrfmiddlewaretoken": token})
            assert answer.status_code == 405


async def test_what_others_chose_is_text_on_the_page(house: House, sockets: Sockets) -> None:
    async with house.visit() as boss:
        for path in sockets.paths[:3]:
            page = await boss.get(path)
            assert "&lt;b&gt;sam&lt;/b&gt;" in page.text
            assert "<b>sam" not in page.text
        filtered = await boss.get(f"{PAGE}?user=%3Cscript%3E&channel=%22%3E%3Cscript%3E")
    assert "<script>" not in filtered.text
    assert "There is no user <script>." in filtered.words


async def test_one_connection_is_ended_and_noted(house: House, sockets: Sockets) -> None:
    told: list[ClientControl] = []
    house.platform.broker.subscribe(ClientControl, told.append)
    async with house.visit() as boss:
        done = await boss.edit(f"{PAGE}{sockets.client.id}/disconnect/")
    assert done.status == 302
    assert await code_of(sockets.client) == 3503
    assert sockets.stranger.ending is None
    ((actor, key, changes),) = await entries(house)
    assert (actor, key) == ("boss", "77")
    assert sockets.client.id in changes
    assert len(told) == 1


async def test_of_those_who_are_nobody_the_one_is_ended_that_is_meant(
    house: House, sockets: Sockets
) -> None:
    other = sockets.hub.admit(Origin(None, "realtime", "handshake"))
    other.is_connected = True
    async with house.visit() as boss:
        await boss.edit(f"{PAGE}{sockets.stranger.id}/disconnect/")
    assert await code_of(sockets.stranger) == 3503
    assert other.ending is None
    assert [key for _, key, _ in await entries(house)] == [sockets.stranger.id]


@pytest.mark.parametrize("user", ["seventy", "-1", "７７", "1" * 40, "77,78"])
async def test_a_forged_user_beside_a_client_ends_nobody_else(
    house: House, sockets: Sockets, user: str
) -> None:
    async with house.visit() as boss:
        await boss.edit(f"{PAGE}{sockets.client.id}/disconnect/", user=user)
        page = await boss.get(PAGE)
    assert sockets.client.ending is sockets.stranger.ending is None
    assert sockets.client.id in page.text


@pytest.mark.parametrize(
    "path",
    ["nothing/", "nothing/disconnect/", "user/999/disconnect/", "%00/", "user/x/disconnect/"],
)
async def test_what_is_not_there_is_404(house: House, sockets: Sockets, path: str) -> None:
    del sockets
    async with house.visit() as boss:
        page = await boss.get(PAGE + path)
    assert page.status == 404


async def test_the_trail_says_what_was_ended_to_those_who_may_see_connections(
    house: House, sockets: Sockets
) -> None:
    async with house.visit() as boss:
        await boss.edit(f"{PAGE}{sockets.client.id}/disconnect/")
    for permissions, is_shown in ((("view_auditentry",), False), (("view_auditentry", VIEW), True)):
        await allow("clerk", *permissions)
        async with house.visit("clerk") as clerk:
            page = await clerk.get("/admin/trivet/auditentry/")
        assert ("live connection 77" in page.words) is is_shown
        assert (sockets.client.id in page.words) is is_shown


async def test_a_process_without_sockets_says_that_there_are_none(house: House) -> None:
    async with house.visit() as boss:
        page = await boss.get(PAGE)
    assert page.status == 200
    assert "No process serves sockets" in page.words


async def test_generic_pages_find_no_connection_and_do_not_fail(house: House) -> None:
    await allow("clerk", VIEW)
    query = "SELECT id FROM django_content_type WHERE app_label = 'trivet' AND model = 'connection'"
    number = await house.value(query)
    async with house.visit() as boss:
        page = await boss.get(f"/admin/r/{number}/1/")
    assert page.status == 404


async def test_many_connections_make_a_page_of_a_bounded_size(
    house: House, sockets: Sockets
) -> None:
    for number in range(1000, 1150):
        identity = Identity(user_id=number, username=f"user {number}", kind="key")
        sockets.hub.admit(Origin(identity, "realtime", "handshake")).is_connected = True
    async with house.visit() as boss:
        page = await boss.get(PAGE)
        one = await boss.get(f"{PAGE}?user=1003")
    assert "100 of 152: those that are furthest behind, then the newest." in page.words
    assert page.words.count("by key") == 100
    assert "user 1149" in page.words
    assert "user 1003" not in page.words
    assert one.words.count("by key") == 1
    assert "user 1003" in one.words
