"""The operations of a resource as a client meets them: addresses, methods, statuses and headers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Column, Integer, Table
from sqlalchemy.orm import registry

from tests.api.resource.bookshop.models import Novel
from tests.api.resource.bookshop_api import LABELS, NOVELS, PLACES, open_bookshop
from tests.api.resource.tables import WHO, make_tables
from tests.platform.bare import client_of
from trivet.asgi.root import Root
from trivet.errors import ConfigurationError
from trivet_api import public, resource

pytestmark = pytest.mark.anyio

EMMA = {"title": "Emma", "isbn": "1"}
NOTHING: dict[str, Any] = {"items": [], "next_cursor": None, "previous_cursor": None}
NEW = {"id": 1, **EMMA, "labels": []}


@pytest.fixture
def root(fresh_database_url: str) -> Root:
    make_tables(fresh_database_url)
    return open_bookshop(fresh_database_url, WHO.get)


@pytest.fixture
async def client(root: Root) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(root) as client:
        client.headers["x-badge"] = "clerk"
        yield client
    await root.platform.database.close()


@dataclass(frozen=True)
class Step:
    """One request of a course, and what is answered."""

    method: str
    path: str
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    says: dict[str, str] = field(default_factory=dict)
    answer: Any = None
    lacks: tuple[str, ...] = ()
    errors: Any = None


COURSES: dict[str, list[Step]] = {
    "a row is created, read, changed and deleted": [
        Step("POST", NOVELS, 201, EMMA, says={"location": f"{NOVELS}/1", "etag": '"1-'},
             answer={**NEW, "sold": False, "version": 1}),
        Step("GET", f"{NOVELS}/1", 200, says={"etag": '"1-'}),
        Step("PATCH", f"{NOVELS}/1", 200, {"sold": True}, says={"etag": '"2-'},
             lacks=("location",)),
        Step("GET", NOVELS, 200, answer={"items": [
            {**NEW, "sold": True, "version": 2}],
            "next_cursor": None, "previous_cursor": None}),
        Step("DELETE", f"{NOVELS}/1", 204),
        Step("GET", f"{NOVELS}/1", 404),
        Step("DELETE", f"{NOVELS}/1", 404),
    ],
    "a caller who prefers it gets no body": [
        Step("POST", NOVELS, 201, EMMA, {"prefer": "return=minimal"},
             says={"location": f"{NOVELS}/1", "preference-applied": "return=minimal"}),
        Step("PATCH", f"{NOVELS}/1", 204, {"sold": True}, {"prefer": "return=minimal"}),
    ],
    "members are a list of keys, or whole rows where somebody asks for them": [
        Step("POST", LABELS, 201, {"word": "old"}),
        Step("POST", NOVELS, 201, {**EMMA, "labels": [1]}),
        Step("GET", f"{NOVELS}/1?fields=labels", 200, answer={"labels": [1]}),
        Step("GET", f"{NOVELS}/1?expand=labels&fields=id", 200, lacks=("etag",), answer={
            "id": 1, "labels": {"items": [{"id": 1, "word": "old by clerk"}], "has_more": False}}),
        Step("POST", NOVELS, 409, {**EMMA, "isbn": "2", "labels": [1, 7]}),
    ],
    "an upsert creates, and then changes": [
        Step("POST", f"{NOVELS}:upsert", 201, EMMA, says={"location": f"{NOVELS}/1"}),
        Step("POST", f"{NOVELS}:upsert", 200, {**EMMA, "sold": True}, lacks=("location",)),
    ],
    "a key is written in its address so that it is found": [
        Step("POST", PLACES, 201, {"mark": "a/b?c", "room": "x"},
             says={"location": f"{PLACES}/a!2Fb%3Fc"}),
        Step("GET", f"{PLACES}/a!2Fb%3Fc", 200, answer={"mark": "a/b?c", "room": "x"}),
        Step("POST", PLACES, 201, {"mark": "ü 1", "room": "x"},
             says={"location": f"{PLACES}/%C3%BC%201"}),
        Step("GET", f"{PLACES}/%C3%BC%201", 200, answer={"mark": "ü 1", "room": "x"}),
    ],
    "a resource that demands it is told what is changed": [
        Step("POST", PLACES, 201, {"mark": "a", "room": "x"}),
        Step("PATCH", f"{PLACES}/a", 428, {"room": "y"}),
        Step("DELETE", f"{PLACES}/a", 428),
        Step("POST", "/api/batch", 428, {"operations": [
            {"operation": "delete", "resource": "bookshop/places", "key": "a"}]},
            errors=[{"pointer": "/operations/0/if_match", "detail": "this route requires it"}]),
        Step("POST", "/api/batch", 412, {"operations": [
            {"operation": "delete", "resource": "bookshop/places", "key": "a",
             "if_match": '"never"'}]}),
        Step("PATCH", f"{PLACES}/a", 412, {"room": "y"}, {"if-match": '"never"'}),
        Step("PATCH", f"{PLACES}/a", 200, {"room": "y"}, {"if-match": "*"}),
    ],
    "a row that is made has no version yet that a condition could name": [
        Step("POST", NOVELS, 412, EMMA, {"if-match": '"1-x"'}),
        Step("POST", NOVELS, 412, EMMA, {"if-match": "*"}),
        Step("GET", f"{NOVELS}/1", 404),
        Step("POST", NOVELS, 201, EMMA, {"if-none-match": "*"}),
    ],
    "a condition in the head is refused where each row has its own": [
        Step("POST", NOVELS, 201, EMMA),
        *(
            Step("POST", path, 422, body, {name: '"1-x"'},
                 errors=[{"in": "header", "pointer": f"/{name}", "detail": instead}])
            for name in ("if-match", "if-none-match")
            for path, body, instead in (
                (f"{NOVELS}:batchCreate", {"items": [EMMA]},
                 "what is made here has no version yet"),
                (f"{NOVELS}:batchUpdate", {"items": [{"key": "1", "changes": {"sold": True}}]},
                 "give the ETag of each row as its if_match"),
                (f"{NOVELS}:batchDelete", {"items": [{"key": "1"}]},
                 "give the ETag of each row as its if_match"),
                ("/api/batch", {"operations": [
                    {"operation": "delete", "resource": "bookshop/novels", "key": "1"}]},
                 "give the ETag of each row as its if_match"),
            )
        ),
        Step("GET", f"{NOVELS}/1", 200, answer={**NEW, "sold": False, "version": 1}),
    ],
    "services do what they are named for": [
        Step("POST", LABELS, 201, {"word": "new"}, answer={"id": 1, "word": "new by clerk"}),
        Step("DELETE", f"{LABELS}/1", 409),
        Step("GET", f"{LABELS}/1", 200),
    ],
    "what is left out is not there, and has room for an endpoint of one's own": [
        Step("GET", LABELS, 200, answer=["ours"]),
        Step("GET", PLACES, 405, says={"allow": "POST"}),
        Step("POST", f"{PLACES}:batchCreate", 404, {"items": []}),
        Step("POST", f"{LABELS}:upsert", 404, {"word": "x"}),
    ],
    "each operation has its policy": [
        Step("GET", NOVELS, 200, headers={"x-badge": "guest"}),
        Step("POST", NOVELS, 403, EMMA, {"x-badge": "guest"}),
        Step("POST", f"{NOVELS}:batchCreate", 403, {"items": [EMMA]}, {"x-badge": "guest"}),
        Step("POST", f"{NOVELS}:upsert", 403, EMMA, {"x-badge": "guest"}),
        Step("POST", "/api/batch", 403, {"operations": [
            {"operation": "create", "resource": "bookshop/novels", "values": EMMA}]},
            {"x-badge": "guest"}),
        Step("POST", LABELS, 201, {"word": "mine"}, {"x-badge": "guest"}),
    ],
    "many rows are written at once": [
        Step("POST", f"{NOVELS}:batchCreate", 200,
             {"items": [EMMA, {"title": "Persuasion", "isbn": "2"}]}),
        Step("POST", f"{NOVELS}:batchUpdate", 404,
             {"items": [{"key": "1", "changes": {"sold": True}},
                        {"key": "9", "changes": {"sold": True}}]}),
        Step("GET", f"{NOVELS}?sold=true", 200,
             answer=NOTHING),
        Step("POST", f"{NOVELS}:batchDelete", 200, {"items": [{"key": "1"}, {"key": "2"}]},
             answer={"items": [{"status": 204}, {"status": 204}]}),
    ],
    "a batch of which some are refused does not answer as one of which all were done": [
        Step("POST", NOVELS, 201, EMMA),
        Step("POST", f"{NOVELS}:batchCreate", 207,
             {"atomic": False, "items": [{**EMMA, "title": "again"},
                                         {"title": "Persuasion", "isbn": "2"}]}),
        Step("POST", f"{NOVELS}:batchUpdate", 207,
             {"atomic": False, "items": [{"key": "9", "changes": {"sold": True}}]}),
        Step("POST", f"{NOVELS}:batchUpdate", 200,
             {"atomic": False, "items": [{"key": "1", "changes": {"sold": True}}]}),
        Step("POST", f"{NOVELS}:batchDelete", 207,
             {"atomic": False, "items": [{"key": "1"}, {"key": "9"}]}),
        Step("GET", f"{NOVELS}?sold=true", 200, answer=NOTHING),
    ],
    "several resources are written in one transaction": [
        Step("POST", "/api/batch", 409, {"operations": [
            {"operation": "create", "resource": "bookshop/novels", "values": EMMA},
            {"operation": "create", "resource": "bookshop/novels", "values": EMMA}]}),
        Step("GET", f"{NOVELS}?fields=title", 200, answer=NOTHING),
        Step("POST", "/api/batch", 200, {"operations": [
            {"operation": "create", "resource": "bookshop/labels", "values": {"word": "x"}},
            {"operation": "create", "resource": "bookshop/novels",
             "values": {**EMMA, "labels": [{"$result": [0, "id"]}]}}]}),
        Step("GET", f"{NOVELS}?fields=title", 200, answer={
            "items": [{"title": "Emma"}], "next_cursor": None, "previous_cursor": None}),
    ],
    "an operation is answered with what its row was behind it, whatever comes later": [
        Step("POST", "/api/batch", 200, {"operations": [
            {"operation": "create", "resource": "bookshop/novels", "values": EMMA},
            {"operation": "upsert", "resource": "bookshop/novels",
             "values": {**EMMA, "title": "B"}},
            {"operation": "create", "resource": "bookshop/labels",
             "values": {"word": {"$result": [0, "title"]}}},
            {"operation": "update", "resource": "bookshop/novels", "key": "1",
             "values": {"labels": [1], "sold": True}},
            {"operation": "delete", "resource": "bookshop/novels", "key": "1"}]},
             answer={"items": [
                {"status": 201, "body": {**NEW, "sold": False, "version": 1}},
                {"status": 200, "body": {**NEW, "title": "B", "sold": False, "version": 2}},
                {"status": 201, "body": {"id": 1, "word": "Emma by clerk"}},
                {"status": 200, "body": {
                    **NEW, "title": "B", "sold": True, "labels": [1], "version": 3}},
                {"status": 204}]}),
    ],
    "an item that stands twice is answered with what its row was behind each": [
        Step("POST", NOVELS, 201, EMMA),
        Step("POST", f"{NOVELS}:batchUpdate", 200, {"atomic": False, "items": [
            {"key": "1", "changes": {"title": "C"}}, {"key": "1", "changes": {"title": "D"}}]},
             answer={"items": [
                {"status": 200, "body": {**NEW, "title": each, "sold": False, "version": version}}
                for each, version in (("C", 2), ("D", 3))]}),
    ],
    "what is nobody's word is refused": [
        Step("GET", f"{NOVELS}?colour=red", 422),
        Step("GET", f"{NOVELS}/x", 422),
        Step("PATCH", f"{NOVELS}/x", 422, {"sold": True}),
        Step("DELETE", f"{NOVELS}/x", 422),
        Step("POST", NOVELS, 422, {**EMMA, "id": 7}),
        Step("POST", f"{NOVELS}?sold=true", 422, EMMA),
    ],
}  # fmt: skip


@pytest.mark.parametrize("course", COURSES, ids=list(COURSES))
async def test_a_course_of_requests(client: httpx2.AsyncClient, course: str) -> None:
    for step in COURSES[course]:
        answer = await client.request(step.method, step.path, json=step.body, headers=step.headers)
        told = f"{step.method} {step.path}: {answer.status_code} {answer.text}"
        assert answer.status_code == step.status, told
        for name, value in step.says.items():
            assert answer.headers[name].startswith(value), told
        assert not {*step.lacks} & {*answer.headers}, told
        if step.answer is not None:
            assert answer.json() == step.answer, told
        if step.errors is not None:
            assert answer.json()["errors"] == step.errors, told


async def test_a_change_of_members_alone_makes_another_version(client: httpx2.AsyncClient) -> None:
    await client.post(LABELS, json={"word": "old"})
    first = (await client.post(NOVELS, json=EMMA)).headers["etag"]

    changed = await client.patch(f"{NOVELS}/1", json={"labels": [1]}, headers={"if-match": first})
    late = await client.patch(f"{NOVELS}/1", json={"labels": []}, headers={"if-match": first})
    read = await client.get(f"{NOVELS}/1", headers={"if-none-match": first})
    again = await client.get(f"{NOVELS}/1", headers={"if-none-match": changed.headers["etag"]})

    assert (changed.status_code, changed.json()["version"]) == (200, 1)
    assert late.status_code == 412
    assert (read.status_code, read.json()["labels"]) == (200, [1])
    assert again.status_code == 304


async def test_the_document_names_every_operation_shortly(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/api/openapi.json")).json()

    named = {
        operation["operationId"]
        for path, item in document["paths"].items()
        for operation in item.values()
        if "/novels" in path
    }
    assert named == {
        f"bookshop_{name}"
        for name in ("list_novels", "read_novel", "create_novel", "update_novel", "delete_novel")
    } | {
        *("bookshop_upsert_novel", "bookshop_batch_create_novels"),
        *("bookshop_batch_update_novels", "bookshop_batch_delete_novels"),
    }
    assert "428" in document["paths"]["/bookshop/places/{key}"]["patch"]["responses"]
    schemas = document["components"]["schemas"]
    assert "required" not in schemas["Novel"], "fields, and rules, leave attributes out"
    assert schemas["NovelCreate"]["required"] == ["title", "isbn"]
    assert {"200", "201"} <= {*document["paths"]["/bookshop/novels:upsert"]["post"]["responses"]}
    assert "207" in document["paths"]["/bookshop/novels:batchCreate"]["post"]["responses"]


async def test_the_document_says_what_is_answered_without_a_body(
    client: httpx2.AsyncClient,
) -> None:
    paths = (await client.get("/api/openapi.json")).json()["paths"]
    for path, method, empty in (
        (NOVELS, "post", {"201"}),
        (f"{NOVELS}/{{key}}", "patch", {"204"}),
        (f"{NOVELS}:upsert", "post", {"201", "204"}),
        (f"{NOVELS}/{{key}}", "delete", set()),
    ):
        responses = paths[path.removeprefix("/api")][method]["responses"]
        said = {
            status
            for status, each in responses.items()
            if "Preference-Applied" in each.get("headers", {})
        }
        assert said == empty, (method, path)
    created = paths["/bookshop/novels"]["post"]["responses"]["201"]
    assert created["description"].endswith("Without a body for `Prefer: return=minimal`.")


class NovelOut(BaseModel):
    """What a shop window says."""

    model_config = ConfigDict(json_schema_extra={"example": {"title": "Emma"}})

    id: int
    title: str


def test_a_read_schema_of_ones_own_promises_no_attribute_in_the_document() -> None:
    app = FastAPI()
    app.include_router(resource(Novel, read_schema=NovelOut, policy=public, operations=["read"]))
    schemas = app.openapi()["components"]["schemas"]
    assert "required" not in schemas["PartialNovelOut"]
    assert schemas["PartialNovelOut"]["properties"].keys() == {"id", "title"}
    assert schemas["PartialNovelOut"]["example"] == {"title": "Emma"}
    assert NovelOut.model_json_schema()["required"] == ["id", "title"]


async def test_the_document_has_what_expand_brings(client: httpx2.AsyncClient) -> None:
    schemas = (await client.get("/api/openapi.json")).json()["components"]["schemas"]
    await client.post(LABELS, json={"word": "old"})
    await client.post(NOVELS, json={**EMMA, "labels": [1]})
    keys, rows = schemas["Novel"]["properties"]["labels"]["anyOf"]
    assert keys["items"]["type"] == "integer"
    assert rows == {"$ref": "#/components/schemas/LabelMembers"}
    shown = (await client.get(f"{NOVELS}/1?expand=labels")).json()["labels"]
    assert {*shown} == {*schemas["LabelMembers"]["required"]}
    assert schemas["LabelMembers"]["properties"]["items"]["items"] == {
        "$ref": "#/components/schemas/Label"
    }


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"operations": ["liste"]}, "there is no operation 'liste'. Did you mean list?"),
    ({"without": ["updat"]}, "there is no operation 'updat'. Did you mean update?"),
    ({"operations": ["upsert"]}, "it cannot upsert: name its constraint"),
    ({"operations": []}, "no operation is left"),
    ({"path": "novels/"}, "write it as '/flight-segments'"),
    ({"policy": "staff"}, "policy is 'staff', and no policy"),
    ({"read_policy": public.check}, "and no policy"),
    ({"create": "services.sell"}, "is no plain function"),
    ({"delete": lambda *_: None, "without": ["delete"]}, "the operation is left out"),
    ({"expand": ["author"]}, "expand names 'author', which is no relationship"),
    ({"exclude": ["titel"]}, "has no column 'titel'"),
    ({"members": ["tags"]}, "no many-to-many relationship 'tags'"),
    ({"upsert": "uq_novel_isbn", "require_match": True}, "leave one of them out"),
    ({"upsert": "uq_title"}, "names no unique constraint"),
]


@pytest.mark.parametrize(("options", "said"), MISTAKES)
def test_a_resource_that_cannot_be_is_refused_where_it_is_declared(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        resource(Novel, **options)
    assert said in refused.value.detail


def test_only_a_mapped_class_is_a_resource() -> None:
    with pytest.raises(ConfigurationError, match="is no mapped class"):
        resource(dict)


@pytest.mark.parametrize(
    ("info", "path"),
    [
        ({"verbose_name_plural": "sheep"}, "/sheep"),
        ({"verbose_name_plural": "Flocks of sheep"}, "/flocks-of-sheep"),
        ({"verbose_name_plural": "Schäfchen"}, "/bellwethers"),
        ({"verbose_name": "sheep"}, "/bellwethers"),
    ],
)
def test_an_address_is_the_plural_that_the_table_is_given(info: dict[str, str], path: str) -> None:
    mapped = registry()
    table = Table("bellwether", mapped.metadata, Column("id", Integer, primary_key=True), info=info)
    bellwether = type("Bellwether", (), {})
    try:
        mapped.map_imperatively(bellwether, table)
        ram = type("Ram", (bellwether,), {})
        mapped.map_imperatively(ram, inherits=bellwether)
        found = [resource(each, operations=["list"]).routes[0] for each in (bellwether, ram)]
    finally:
        mapped.dispose()
    assert [each.path for each in found if isinstance(each, APIRoute)] == [path, "/rams"]
