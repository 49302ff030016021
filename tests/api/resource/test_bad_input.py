"""What no resource takes, at every operation: a refusal with its place, and nothing half-written.

Bodies are written as texts, because most of what stands here no writer of JSON would write.
"""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from tests.api.resource.bookshop_api import open_bookshop
from tests.api.resource.lending.models import make_tables
from tests.platform.bare import client_of
from trivet import Identity
from trivet.asgi.root import Root

pytestmark = pytest.mark.anyio

VOLUMES = "/api/lending/volumes"
WRITERS = "/api/lending/writers"
COPIES = "/api/lending/copies"
KIND = {"content-type": "application/json"}
CHIEF = Identity(1, "chief", "session", is_superuser=True)


@pytest.fixture
def root(fresh_database_url: str) -> Root:
    make_tables(fresh_database_url)
    feature = "tests.api.resource.lending"
    return open_bookshop(fresh_database_url, {"chief": CHIEF}.get, feature=feature)


@pytest.fixture
async def client(root: Root) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(root) as client:
        client.headers["x-badge"] = "chief"
        await client.post(WRITERS, json={"name": "Eliot"})
        for number in (1, 2):
            volume = {"title": f"Volume {number}", "isbn": str(number)}
            await client.post(VOLUMES, json=volume)
            await client.post(COPIES, json={"volume_id": number, "letter": "a", "place": "hall"})
        yield client
    await root.platform.database.close()


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


NUMBERS = ("true", '"5"', "[]", "{}", "NaN", "Infinity", "-Infinity", "1e400", '""')
TEXTS = ("5", "true", "[]", "{}", r'"\u0000"', r'"\ud800"', r'"\udc00\ud800"')
VALUES: dict[str, tuple[str, ...]] = {
    "title": (*TEXTS, "null", f'"{"x" * 41}"', f'"{"𝄞" * 41}"'),
    "isbn": (*TEXTS, "null", '"12345678901234"'),
    "state": (*TEXTS, "null", '"LOST"', '"Lost"', '" lost"', "0"),
    "price": ("true", "[]", '"NaN"', '"sNaN"', '"Infinity"', '"1.005"', '"1000000.00"', '"1e3"',
              '"1_0"', '" 1"', '"٣"', '"0x1"', '""', '"+1"', "1e400", "NaN", "10000000", "0.001"),
    "pages": (*NUMBERS, "32768", "-32769", "1.5", "1e5"),
    "copies": (*NUMBERS, "2147483648", "-2147483649", "1.5", "1e10"),
    "serial": (*NUMBERS, str(2**63), str(-(2**63) - 1), "9" * 5000, "1e19", "0.1"),
    "weight": (*NUMBERS, "-1e309", '"1.5"', "9" * 400),
    "is_bound": ('"true"', "1", "0", "[]", '""', '"t"'),
    "printed_on": ("5", "true", '"2026-02-30"', '"0000-01-01"', '"10000-01-01"', '"-0001-01-01"',
                   '"2026-1-1"', '"2026-01-01T00:00:01Z"', '"today"', '""', '"1769126400"'),
    "added_at": ("1769126400", '"1769126400"', '"2026-01-01T00:00:00"', '"2026-01-01"',
                 '"9999-12-31T23:59:59-01:00"', '"0001-01-01T00:00:00+00:01"', '"now"',
                 '"2026-13-01T00:00:00Z"', '"2026-01-01T25:00:00Z"', '"2026-01-01T00:00:00+25:00"',
                 '"10000-01-01T00:00:00Z"'),
    "opens_at": ("5", '"25:00"', '"24:00:00"', '"12:00:00+01:00"', '"12"', '""'),
    "span": ("5", '"P"', '"P1X"', '"P99999999999D"', '"-P9999999999D"', '""', '"1 fortnight"'),
    "uid": ("5", '"x"', '""', r'"\u0000"', f'"{"0" * 31}"', f'"{"0" * 33}"'),
    "notes": ("5", '"x"', "[]", "true", r'{"a": "\u0000"}', r'{"\u0000": 1}', r'{"a": ["\ud800"]}',
              r'{"\udfff": 1}', '{"a": NaN}', '{"a": [-Infinity]}', '{"a": 1e400}',
              '{"a": 1, "a": 2}', '{"a": [{"b": 1, "b": 1}]}', nested(120),
              f'{{"a": {"9" * 5000}}}'),
    "cover": ("5", '"%%%"', '"A"', '"====" ', '"ä"', r'"\u0000"'),
    "writer_id": (*NUMBERS, "2147483648", "99", "-1", "0"),
    "themes": ("5", "null", "{}", '["x"]', "[null]", "[99]", "[true]", f"[{2**63}]", "[[]]",
               f"[{','.join(map(str, range(1, 1002)))}]"),
    "supplier": ('"x"', "null"),
    "id": ("7", "null"),
    "version": ("7", "null"),
    "volumes": ("[]",),
    "__class__": ("{}",),
    "": ("1",),
}  # fmt: skip
"""For each attribute what it does not take, as JSON is written, or should not be."""
GOOD = '{"title": "Good", "isbn": "78"}'


def row(attribute: str, value: str, isbn: str = "77") -> str:
    """A row that is good but for one attribute."""
    given = {"title": '"Good"', "isbn": f'"{isbn}"', attribute: value}
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in given.items()) + "}"


def change(attribute: str, value: str) -> str:
    return f"{{{json.dumps(attribute)}: {value}}}"


def operation(verb: str, values: str, key: str = "") -> str:
    given = f'"operation": "{verb}", "resource": "lending/volumes"{key}, "values": {values}'
    good = f'{{"operation": "create", "resource": "lending/volumes", "values": {GOOD}}}'
    return f'{{"operations": [{good}, {{{given}}}]}}'


Asked = Callable[[str, str], tuple[str, str, str, str]]
OPERATIONS: dict[str, Asked] = {
    "create": lambda a, v: ("POST", VOLUMES, row(a, v), ""),
    "upsert": lambda a, v: ("POST", f"{VOLUMES}:upsert", row(a, v, "2"), ""),
    "update": lambda a, v: ("PATCH", f"{VOLUMES}/1", change(a, v), ""),
    "batchCreate": lambda a, v: (
        "POST", f"{VOLUMES}:batchCreate",
        f'{{"items": [{GOOD}, {row(a, v)}]}}', "/items/1",
    ),
    "batchUpdate": lambda a, v: (
        "POST", f"{VOLUMES}:batchUpdate",
        f'{{"items": [{{"key": "2", "changes": {{"title": "x"}}}},'
        f' {{"key": "1", "changes": {change(a, v)}}}]}}', "/items/1/changes",
    ),
    "create in a batch": lambda a, v: (
        "POST", "/api/batch", operation("create", row(a, v, "79")), "/operations/1/values"
    ),
    "update in a batch": lambda a, v: (
        "POST", "/api/batch", operation("update", change(a, v), ', "key": "1"'),
        "/operations/1/values",
    ),
    "upsert in a batch": lambda a, v: (
        "POST", "/api/batch", operation("upsert", row(a, v, "2")), "/operations/1/values"
    ),
}  # fmt: skip


async def send(client: httpx2.AsyncClient, method: str, path: str, body: str) -> httpx2.Response:
    return await client.request(method, path, content=body.encode(), headers=KIND)


async def rows(client: httpx2.AsyncClient) -> Any:
    """Everything that is there."""
    return [(await client.get(path)).json() for path in (VOLUMES, WRITERS, COPIES)]


@pytest.mark.parametrize("name", OPERATIONS)
async def test_no_operation_takes_a_value_that_does_not_fit(
    client: httpx2.AsyncClient, name: str
) -> None:
    before = await rows(client)
    wrong = []
    step = 4 if " in a batch" in name else 1  # it reads them as the others do, and pays more
    for attribute, values in VALUES.items():
        for value in values[::step]:
            method, path, body, place = OPERATIONS[name](attribute, value)
            answer = await send(client, method, path, body)
            told = answer.json() if answer.content else {}
            pointers = [each["pointer"] for each in told.get("errors") or ()]
            is_placed = any(each.startswith(f"{place}/{attribute}") for each in pointers)
            # What is no JSON has no places.
            is_refused = answer.status_code == 400 or (
                answer.status_code in (409, 422) and is_placed
            )
            if not is_refused:
                wrong.append((attribute, value[:60], answer.status_code, pointers))
    assert wrong == []
    assert await rows(client) == before


@pytest.mark.parametrize("path", ["batchCreate", "batchUpdate"])
async def test_an_item_that_does_not_fit_is_refused_by_itself(
    client: httpx2.AsyncClient, path: str
) -> None:
    """Where each item has an outcome of its own, the others are done."""
    is_new = path == "batchCreate"
    wrong = []
    for attribute, values in VALUES.items():
        for value in values:
            bad = row(attribute, value) if is_new else change(attribute, value)
            item = bad if is_new else f'{{"key": "1", "changes": {bad}}}'
            body = f'{{"atomic": false, "items": [{item}]}}'
            answer = await send(client, "POST", f"{VOLUMES}:{path}", body)
            if answer.status_code == 400:
                continue
            status = answer.json()["items"][0]["status"] if answer.status_code == 207 else None
            if status not in (409, 422):
                wrong.append((attribute, value[:60], answer.status_code, status))
    assert wrong == []


BODIES = (
    "", "nonsense", "[]", "null", "1", '""', "{", "{}}", "NaN", '{"title": "a",}', "{'title': 'a'}",
    '{"title": "a", "isbn": "9", "title": "b"}', f'{{"title": "a", "notes": {nested(200)}}}',
    '{"title": "a"} {"isbn": "9"}', "[" * 100_000,
)  # fmt: skip
"""What is no body of any operation."""
LISTS = (
    '{"items": []}', '{"items": null}', '{"items": {}}', '{"items": [null]}', '{"items": [[]]}',
    '{"items": [5], "atomic": "no"}', '{"items": [{}], "atomic": null}', '{"items": "x"}',
    f'{{"items": [{",".join(["{}"] * 1001)}]}}', '{"items": [{}], "items": [{}]}',
    '{"atomic": true}', '{"items": [{"key": 1}]}',
    '{"items": [{"key": null}]}', r'{"items": [{"key": "\u0000"}]}',
    r'{"items": [{"key": "\ud800"}]}', f'{{"items": [{{"key": "{"9" * 501}"}}]}}',
    '{"items": [{"key": "1", "if_match": 5}]}', '{"items": [{"key": "1", "if_match": "\\""}]}',
    '{"items": [{"key": "1", "changes": []}]}', '{"items": [{"key": "1", "changes": null}]}',
    '{"items": [{"key": "1", "else": 1}]}',
)  # fmt: skip
BATCHES = (
    '{"operations": []}', '{"operations": null}', '{"operations": [{}]}',
    f'{{"operations": [{",".join(["{}"] * 201)}]}}',
    *(f'{{"operations": [{{"operation": {do}, "resource": {name}, "key": {key}, "values": {v}}}]}}'
      for do, name, key, v in (
          ('"read"', '"lending/volumes"', '"1"', "{}"),
          ("null", '"lending/volumes"', '"1"', "{}"),
          ('"delete"', '"lending/nothing"', '"1"', "{}"),
          ('"delete"', r'"\u0000"', '"1"', "{}"),
          ('"delete"', '"lending/volumes"', "1", "{}"),
          ('"delete"', '"lending/volumes"', "null", "{}"),
          ('"delete"', '"lending/volumes"', r'"\u0000"', "{}"),
          ('"update"', '"lending/volumes"', '"1"', "[]"),
          ('"update"', '"lending/volumes"', '"1"', '{"title": {"$result": [0, "id"]}}'),
          ('"update"', '"lending/volumes"', '"1"', '{"title": {"$result": [-1, "id"]}}'),
          ('"update"', '"lending/volumes"', '"1"', '{"title": {"$result": "x"}}'),
          ('"update"', '"lending/volumes"', '"1"', '{"title": {"$result": [0, 0, 0]}}'),
          ('"upsert"', '"lending/copies"', '"1~a"', "{}"),
      )),
)  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "bodies"),
    [
        ((("POST", VOLUMES), ("POST", f"{VOLUMES}:upsert"), ("PATCH", f"{VOLUMES}/1")), BODIES),
        (tuple(("POST", f"{VOLUMES}:batch{each}") for each in ("Create", "Update", "Delete")),
         (*BODIES, *LISTS)),
        ((("POST", "/api/batch"),), (*BODIES, *BATCHES)),
    ],
    ids=["a row", "several rows", "several resources"],
)  # fmt: skip
async def test_what_is_no_body_is_refused(
    client: httpx2.AsyncClient, paths: Any, bodies: tuple[str, ...]
) -> None:
    before = await rows(client)
    answers = {
        (method, path, body[:80]): (await send(client, method, path, body)).status_code
        for method, path in paths
        for body in bodies
    }
    assert {asked: status for asked, status in answers.items() if not 400 <= status < 500} == {}
    assert await rows(client) == before


KEYS = (
    "%00", "%ED%A0%80", "%FF", "9" * 400, "-9" + "9" * 30, "1.5", "1e0", "%D9%A1", "0x1", "1_0",
    "+1", "%201", "1%20", "true", "null", "1~a", "~", "%7E%7E", "a" * 600, "1%0A", "01",
)  # fmt: skip


async def test_what_is_no_key_finds_nothing(client: httpx2.AsyncClient) -> None:
    before = await rows(client)
    wrong = []
    for key in KEYS:
        for method, body in (("GET", ""), ("PATCH", '{"title": "x"}'), ("DELETE", "")):
            answer = await send(client, method, f"{VOLUMES}/{key}", body)
            if answer.status_code not in (400, 404, 422):
                wrong.append((method, key, answer.status_code))
        answer = await send(client, "GET", f"{COPIES}/{key}", "")
        if answer.status_code not in (400, 404, 422) and key != "1~a":
            wrong.append(("GET", f"copies/{key}", answer.status_code))
    assert wrong == []
    assert await rows(client) == before


QUERIES = (
    *(f"id={each}" for each in ("x", "", "1.0", "1_0", "%201", "%D9%A1", "true", "9" * 5000)),
    *(f"price.gte={each}" for each in ("NaN", "Infinity", "1e3", "", "%2B1", "%D9%A1", "1_0")),
    *(f"weight={each}" for each in ("nan", "inf", "1_0", "0x1p3", "")),
    *(f"printed_on={each}" for each in ("0000-01-01", "10000-01-01", "2026-02-30", "1", "today")),
    *(f"added_at.lt={each}" for each in (
        "2026-01-01T00:00:00", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00%2B01:00",
        "2026-01-01", "1769126400",
    )),
    *(f"{each}=%00" for each in ("title", "title.contains", "search", "state", "uid", "cursor")),
    *(f"{each}=%FF" for each in ("title", "title.startswith", "search", "cursor", "sort")),
    *(f"{each}=%ED%A0%80" for each in ("title", "isbn.ne", "search", "writer.name")),
    *(f"limit={each}" for each in ("0", "-1", "51", "1e1", "%D9%A1", "9" * 5000, "", "1&limit=1")),
    *(f"cursor={each}" for each in ("", "x", "e30", "a" * 9000, "%7B%7D", "null", "..")),
    *(f"sort={each}" for each in ("", "id,id", "id,-id", "--id", "nothing", "id,", "notes")),
    *(f"fields={each}" for each in ("", "id,id", "supplier", "nothing", "id,,title", "*")),
    *(f"expand={each}" for each in ("", "nothing", "writer,writer", "writer.volumes", "writer.")),
    *(f"count={each}" for each in ("", "all", "exact&count=exact")),
    *(f"groups={each}" for each in ("", "notes", "supplier", "id,id", "nothing")),
    "nothing=1", "title.like=x", "title.=x", ".title=x", "title..eq=x", "supplier=x", "notes={}",
    "writer.volumes.id=1", "writer.name.contains=", "title.null=1", "price.null=maybe",
    "state=Lost", "themes.id.contains=1", "title=" + "x" * 1001, "&".join(["id=1"] * 101),
    "__class__=1", "&".join(f"title.ne={n}" for n in range(201)), "search=", "search=" + "x" * 201,
    "%00=1", "=1", f"id={2**63}", f"serial.gt={2**63}", "pages=32768", f"copies.lte={-(2**31) - 1}",
)  # fmt: skip


async def test_a_list_is_not_asked_what_it_cannot_be_asked(client: httpx2.AsyncClient) -> None:
    wrong = []
    for query in QUERIES:
        answer = await client.get(f"{VOLUMES}?{query}")
        word = query.partition("=")[0]
        pointers = [each["pointer"] for each in answer.json().get("errors") or ()]
        is_placed = any(word in each or "%" in word or each == "/" for each in pointers)
        if not (answer.status_code == 422 and is_placed):
            wrong.append((query[:60], answer.status_code, pointers[:2]))
    assert wrong == []


async def test_a_cursor_is_of_one_question_and_is_not_written_by_a_client(
    client: httpx2.AsyncClient,
) -> None:
    page = (await client.get(f"{VOLUMES}?limit=1&sort=title")).json()
    cursor = page["next_cursor"]
    middle = len(cursor) // 2
    for path, other in {
        f"{VOLUMES}?sort=-title": cursor,
        f"{VOLUMES}?sort=title&state=lent": cursor,
        f"{VOLUMES}?sort=title&search=volume": cursor,
        f"{WRITERS}?sort=id": cursor,
        f"{COPIES}?limit=1": cursor,
        f"{VOLUMES}?sort=title&limit=2": f"{cursor[:middle]}{cursor[middle + 1 :]}",
        f"{VOLUMES}?sort=title&fields=id": cursor[:-1],
        f"{VOLUMES}?sort=title&fields=title": cursor + "A",
        f"{VOLUMES}?sort=title&expand=writer": cursor.swapcase(),
        f"{VOLUMES}?sort=title&count=exact": cursor[::-1],
    }.items():
        answer = await client.get(f"{path}&cursor={other}")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/cursor"), path
    assert (await client.get(f"{VOLUMES}?sort=title&cursor={cursor}")).status_code == 200
