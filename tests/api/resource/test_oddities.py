"""Classes as other projects write them, asked over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.api.resource.bookshop_api import open_bookshop
from tests.api.resource.oddities.models import Alarm, Figure, Hero, Level, Tone, Word, make_tables
from tests.platform.bare import client_of
from tests.platform.watched_rules import module_of
from trivet import Identity, Invalid
from trivet.rules import visible
from trivet.rules.declaring import declared_in
from trivet_api import schema

pytestmark = pytest.mark.anyio

HERE = "/api/oddities"
CHIEF = Identity(1, "chief", "session", is_superuser=True)


@pytest.fixture
async def client(empty_root: Any) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(empty_root) as client:
        client.headers["x-badge"] = "chief"
        yield client
    await empty_root.platform.database.close()


@pytest.fixture
def empty_root(fresh_database_url: str) -> Any:
    make_tables(fresh_database_url)
    feature = "tests.api.resource.oddities"
    return open_bookshop(fresh_database_url, {"chief": CHIEF}.get, feature=feature)


@pytest.mark.parametrize("operator", ["", ".ne", ".gt", ".lte"])
async def test_a_time_with_a_zone_is_refused_at_its_filter(
    client: httpx2.AsyncClient, operator: str
) -> None:
    answer = await client.get(f"{HERE}/slots?opens_at{operator}=10:00Z")
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == f"/opens_at{operator}"
    assert fault["detail"] == "10:00:00+00:00 has a time zone; a time of day has none"


async def test_what_a_type_of_ones_own_refuses_is_a_refusal_of_a_filter(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.get(f"{HERE}/slots?word=hey!")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-value")
    assert "nobody shouts here" in answer.json()["detail"]


@pytest.mark.parametrize("address", ["::1", "10.0.0.1"])
async def test_a_row_whose_key_is_no_plain_value_is_changed_and_deleted_at_its_address(
    client: httpx2.AsyncClient, address: str
) -> None:
    made = await client.post(f"{HERE}/hosts", json={"address": address})
    assert made.status_code == 201
    row = made.headers["location"]
    assert (await client.get(row)).json() == {"address": address, "name": None}
    assert (await client.patch(row, json={"name": "box"})).status_code == 200
    assert (await client.delete(row)).status_code == 204


async def test_a_list_of_addresses_has_pages(client: httpx2.AsyncClient) -> None:
    hosts = [{"address": f"10.0.0.{number}"} for number in range(1, 6)]
    made = await client.post(f"{HERE}/hosts:batchCreate", json={"items": hosts})
    assert made.status_code == 200
    seen, path = [], f"{HERE}/hosts?limit=2"
    while path:
        page = (await client.get(path)).json()
        seen += [row["address"] for row in page["items"]]
        path = f"{HERE}/hosts?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen == [each["address"] for each in hosts]


USUAL = {"lives": 9, "colour": "black", "region": "EU", "habits": {}}
NULLS = dict.fromkeys(USUAL)


async def test_a_null_that_is_sent_is_none_left_out(client: httpx2.AsyncClient) -> None:
    left_out = await client.post(f"{HERE}/cats", json={"name": "tom"})
    assert left_out.json() == {"id": 1, "name": "tom", **USUAL}
    sent = await client.post(f"{HERE}/cats", json={"name": "leo", **NULLS})
    assert (sent.status_code, sent.json()) == (201, {"id": 2, "name": "leo", **NULLS})
    assert (await client.get(sent.headers["location"])).json() == sent.json()


async def test_among_many_rows_a_null_is_kept_too(client: httpx2.AsyncClient) -> None:
    items = [{"name": "a"}, {"name": "b", **NULLS}, {"name": "c", "lives": None}]
    made = await client.post(f"{HERE}/cats:batchCreate", json={"items": items})
    assert made.status_code == 200
    rows = (await client.get(f"{HERE}/cats")).json()["items"]
    assert [row["lives"] for row in rows] == [9, None, None]
    assert [row["region"] for row in rows] == ["EU", None, "EU"]


TEXTS = ("a/b", "/", "", ".", "..", "a.b", "!2F", "a!2fb", "a!2Fb", "!00", "!", "a%2Fb", "?#", " ",
         "~,", "ä", "x:y", "\t")  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
async def test_a_row_is_at_its_address_whatever_its_key_is(
    client: httpx2.AsyncClient, text: str
) -> None:
    for path, key in (("places", {"name": text}), ("shelves", {"floor": 7, "name": text})):
        await client.post(f"{HERE}/{path}", json={**key, "name": "another"})
        made = await client.post(f"{HERE}/{path}", json=key)
        row = made.headers["location"]
        assert row.count("/") == f"{HERE}/{path}/key".count("/")
        read = await client.get(row)
        assert (read.status_code, read.json()) == (200, {**key, "note": None})
        changed = await client.patch(row, json={"note": "here"})
        assert (changed.status_code, changed.json()) == (200, {**key, "note": "here"})
        assert (await client.delete(row)).status_code == 204
        assert (await client.get(row)).status_code == 404


@pytest.mark.parametrize("address", ["a!41", "!2E", "a!21b", "!002F"])
async def test_a_row_has_one_address(client: httpx2.AsyncClient, address: str) -> None:
    for name in ("aA", ".", "a!b"):
        await client.post(f"{HERE}/places", json={"name": name})
    answer = await client.get(f"{HERE}/places/{address}")
    assert answer.status_code == (200 if address == "!2E" else 422)


PRICE = {"sku": "abc", "region": "EU", "cents": 1}
UPSERT = f"{HERE}/prices:upsert"


async def test_an_upsert_knows_a_row_by_what_a_validator_makes_of_a_value(
    client: httpx2.AsyncClient,
) -> None:
    for cents, status in ((1, 201), (2, 200)):
        answer = await client.post(UPSERT, json={**PRICE, "cents": cents})
        assert answer.status_code == status
        assert answer.json() == {"id": 1, "sku": "ABC", "region": "EU", "cents": cents}
    refused = await client.post(UPSERT, json={**PRICE, "sku": ""})
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [{"pointer": "/sku", "detail": "sku must not be empty"}],
    )


@pytest.mark.parametrize(
    ("header", "before", "after"),
    [
        ({"if-match": '"other"'}, 412, 412),
        ({"if-match": "*"}, 412, 200),
        ({"if-none-match": "*"}, 201, 412),
        ({"if-none-match": '"other"'}, 201, 200),
    ],
)
async def test_an_upsert_heeds_what_the_caller_insists_on(
    client: httpx2.AsyncClient, header: dict[str, str], before: int, after: int
) -> None:
    first = await client.post(UPSERT, json=PRICE, headers=header)
    assert first.status_code == before
    await client.post(UPSERT, json=PRICE)
    second = await client.post(UPSERT, json={**PRICE, "cents": 9}, headers=header)
    assert second.status_code == after
    (row,) = (await client.get(f"{HERE}/prices")).json()["items"]
    assert row["cents"] == (9 if after == 200 else 1)


async def test_an_upsert_of_the_version_that_was_read_changes_it(
    client: httpx2.AsyncClient,
) -> None:
    read = (await client.post(UPSERT, json=PRICE)).headers["etag"]
    for status in (200, 412):
        answer = await client.post(UPSERT, json={**PRICE, "cents": 5}, headers={"if-match": read})
        assert answer.status_code == status


async def test_what_still_refers_to_a_row_is_named_where_no_constraint_has_a_name(
    client: httpx2.AsyncClient,
) -> None:
    await client.post(f"{HERE}/prices", json=PRICE)
    await client.post(f"{HERE}/offers", json={"price_id": 1})
    refused = await client.delete(f"{HERE}/prices/1")
    assert (refused.status_code, refused.json()["code"]) == (409, "referred-to")
    assert refused.json()["detail"] == "Offers still refer to this."


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "cats"), ("PATCH", "cats/1"), ("POST", "cats:batchCreate"), ("POST", "batch")],
)
async def test_a_body_of_another_type_is_told_which_one_is_taken(
    client: httpx2.AsyncClient, method: str, path: str, kind: str
) -> None:
    path = "/api/batch" if path == "batch" else f"{HERE}/{path}"
    answer = await client.request(
        method, path, content=b'{"name": "tom"}', headers={"content-type": kind}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "no-json")
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "detail"), [(b"[]", "Input should be an object"), (b"", "A body is needed")]
)
async def test_a_body_that_is_no_object_is_told_so(
    client: httpx2.AsyncClient, body: bytes, detail: str
) -> None:
    answer = await client.post(
        f"{HERE}/cats", content=body, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [{"pointer": "", "detail": detail}],
    )


async def test_a_member_of_an_enum_with_two_names_is_itself(client: httpx2.AsyncClient) -> None:
    days = [{"mood": "HAPPY", "first_mood": "SAD", "size": "l"}, {}]
    made = [await client.post(f"{HERE}/days", json=day) for day in days]
    assert [answer.json() for answer in made] == [
        {"id": 1, **days[0]},
        {"id": 2, "mood": "SAD", "first_mood": None, "size": None},
    ]
    found = await client.get(f"{HERE}/days?mood=SAD&fields=id")
    assert found.json()["items"] == [{"id": 2}]
    refused = await client.post(f"{HERE}/days", json={"mood": "GLAD", "size": "x"})
    assert [each["detail"] for each in refused.json()["errors"]] == [
        "it must be one of HAPPY, SAD",
        "it must be one of s, l",
    ]


async def test_the_document_has_the_members_of_an_enum_as_they_are_sent(
    client: httpx2.AsyncClient,
) -> None:
    schemas = (await client.get("/api/openapi.json")).json()["components"]["schemas"]
    day = schemas["DayCreate"]["properties"]
    assert day["mood"] == {"type": "string", "enum": ["HAPPY", "SAD"], "default": "SAD"}
    assert day["size"]["anyOf"][0] == {"type": "string", "enum": ["s", "l"]}
    assert not {"Mood", "Size"} & schemas.keys()  # to which nothing leads


async def test_a_row_of_the_base_is_none_of_a_subclass_in_its_table(
    client: httpx2.AsyncClient,
) -> None:
    assert (await client.post(f"{HERE}/animals", json={})).status_code == 201
    for answer in (
        await client.get(f"{HERE}/sea-lions/1"),
        await client.patch(f"{HERE}/sea-lions/1", json={"search": "x"}),
    ):
        problem = answer.json()
        assert answer.status_code == 404
        assert (problem["code"], problem["detail"]) == (
            "sea-lion-not-found",
            "There is no sea lion 1.",
        )


async def test_a_word_that_there_is_not_is_not_proposed(client: httpx2.AsyncClient) -> None:
    answer = await client.get(f"{HERE}/animals?search=x")
    (fault,) = answer.json()["errors"]
    assert fault["detail"].startswith("there is no parameter of this name. Did you mean search.")


@pytest.mark.parametrize("name", ["stampeds", "wordeds"])
async def test_a_version_of_any_type_is_the_tag_of_its_row(
    client: httpx2.AsyncClient, name: str
) -> None:
    made = await client.post(f"{HERE}/{name}", json={"name": "a"})
    assert made.status_code == 201, made.text
    row, tag = made.headers["location"], made.headers["etag"]
    assert (await client.get(row)).headers["etag"] == tag
    assert (await client.get(row, headers={"if-none-match": tag})).status_code == 304
    condition = {"if-match": tag}
    changed = await client.patch(row, json={"name": "b"}, headers=condition)
    assert (changed.status_code, changed.headers["etag"] == tag) == (200, False)
    assert (await client.patch(row, json={"name": "c"}, headers=condition)).status_code == 412


OUTSIDE = [
    ("name", "a", "it must have at least 2 characters"),
    ("name", "Anna", "it must match pattern '^[a-z]+$'"),
    ("mail", "nowhere", "it must match pattern '@'"),
    ("age", -2, "it must be greater than or equal to 0"),
    ("age", 150, "it must be less than 150"),
    ("age", 3, "it must be a multiple of 2"),
    ("speed", 0, "it must be greater than 0"),
    ("speed", 9.6, "it must be less than or equal to 9.5"),
    ("pay", "4.99", "it must be greater than or equal to 5"),
    ("tricks", ["a", "b", "c"], "it must have at most 2 items after validation, not 3"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), OUTSIDE)
async def test_bounds_of_a_class_of_pydantic_hold_for_whatever_is_sent(
    client: httpx2.AsyncClient, name: str, value: Any, sentence: str
) -> None:
    heroes = f"{HERE}/heroes"
    made = await client.post(heroes, json={"name": "anna"})
    assert made.status_code == 201
    bad = {"name": "otto", name: value}
    for answer, pointer in (
        (await client.post(heroes, json=bad), f"/{name}"),
        (await client.patch(made.headers["location"], json={name: value}), f"/{name}"),
        (await client.post(f"{heroes}:batchCreate", json={"items": [bad]}), f"/items/0/{name}"),
    ):
        assert answer.status_code == 422, answer.json()
        (fault,) = answer.json()["errors"]
        assert (fault["pointer"], fault["detail"]) == (pointer, sentence)
    assert (await client.get(f"{heroes}?{name}.ne=0")).status_code in (200, 422)


async def test_what_pydantic_makes_of_a_value_is_stored(client: httpx2.AsyncClient) -> None:
    made = await client.post(f"{HERE}/heroes", json={"name": "anna", "code": "ABC"})
    assert made.json()["code"] == "abc"
    assert (await client.get(made.headers["location"])).json()["code"] == "abc"


async def test_a_document_has_the_bounds_of_a_class_of_pydantic(client: httpx2.AsyncClient) -> None:
    known = (await client.get("/api/openapi.json")).json()["components"]["schemas"]["HeroCreate"]
    given = known["properties"]
    name = {"type": "string", "minLength": 2, "maxLength": 10, "pattern": "^[a-z]+$"}
    assert given["name"].items() >= {**name, "description": "In small letters."}.items()
    age = {"type": "integer", "format": "int32", "minimum": 0, "exclusiveMaximum": 150}
    assert given["age"]["anyOf"][0] == {**age, "multipleOf": 2}
    assert given["speed"].items() >= {"exclusiveMinimum": 0, "maximum": 9.5}.items()


@pytest.mark.parametrize(("name", "value", "sentence"), OUTSIDE)
async def test_bounds_of_a_class_of_pydantic_hold_in_a_service(
    client: httpx2.AsyncClient, empty_root: Any, name: str, value: Any, sentence: str
) -> None:
    with pytest.raises(Invalid) as refused:
        async with empty_root.platform.database.unit(actor=CHIEF) as session:
            session.add(Hero(**{"name": "otto", name: value}))
    assert refused.value.data["errors"] == [{"pointer": f"/{name}", "detail": sentence}]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [("level", 3, "it must be 1 or 2"), ("tone", "gay", "it must be 'calm' or 'grim'")],
)
async def test_a_plain_column_takes_the_members_of_the_enum_that_it_is_annotated_with(
    client: httpx2.AsyncClient, empty_root: Any, name: str, value: Any, sentence: str
) -> None:
    alarms = f"{HERE}/alarms"
    made = await client.post(alarms, json={"level": 2, "tone": "grim"})
    assert made.json() == {"id": 1, "level": 2, "tone": "grim"}
    assert (await client.patch(f"{alarms}/1", json={"tone": None})).status_code == 200
    bad = {"level": 1, name: value}
    for answer, pointer in (
        (await client.post(alarms, json=bad), f"/{name}"),
        (await client.patch(f"{alarms}/1", json={name: value}), f"/{name}"),
        (await client.post(f"{alarms}:batchCreate", json={"items": [bad]}), f"/items/0/{name}"),
    ):
        assert answer.status_code == 422, answer.json()
        (fault,) = answer.json()["errors"]
        assert (fault["pointer"], fault["detail"]) == (pointer, sentence)
    with pytest.raises(Invalid) as refused:
        async with empty_root.platform.database.unit(actor=CHIEF) as session:
            session.add(Alarm(**bad))
    assert refused.value.data["errors"] == [{"pointer": f"/{name}", "detail": sentence}]
    async with empty_root.platform.database.unit(actor=CHIEF) as session:
        session.add(Alarm(level=Level.LOW, tone=Tone.CALM))
    known = (await client.get("/api/openapi.json")).json()["components"]["schemas"]["AlarmCreate"]
    assert known["properties"]["level"]["enum"] == [1, 2]


async def test_a_key_without_case_is_found_in_any(client: httpx2.AsyncClient) -> None:
    words = f"{HERE}/words"
    for each in ("Ape", "bee", "Cow"):
        assert (await client.post(words, json={"word": each})).status_code == 201
    read = await client.get(f"{words}/aPE")
    assert (read.status_code, read.json()["word"]) == (200, "Ape")
    changed = await client.patch(f"{words}/APE", json={"note": "x"})
    assert (changed.status_code, changed.json()) == (200, {"word": "Ape", "note": "x"})
    items = [{"key": each, "changes": {"note": each}} for each in ("APE", "bee", "cOW")]
    many = await client.post(f"{words}:batchUpdate", json={"items": items})
    told = [(each["body"]["word"], each["body"]["note"]) for each in many.json()["items"]]
    assert told == [("Ape", "APE"), ("bee", "bee"), ("Cow", "cOW")]
    twice = {"items": [*items, {"key": "ape", "changes": {}}]}
    refused = await client.post(f"{words}:batchUpdate", json=twice)
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/items/3/key"]
    made = await client.post(f"{HERE}/pages", json={"main": "APE", "words": ["APE", "cow"]})
    assert (made.status_code, made.json()["words"]) == (201, ["Ape", "Cow"])
    page = made.headers["location"]
    same = await client.patch(page, json={"words": ["ape", "COW", "BEE"]})
    assert same.json()["words"] == ["Ape", "Cow", "bee"]
    again = await client.patch(page, json={"words": ["ape", "APE"]})
    assert [each["pointer"] for each in again.json()["errors"]] == ["/words/1"]
    assert (await client.delete(f"{words}/COW")).status_code == 409
    await client.delete(page)
    assert (await client.delete(f"{words}/COW")).status_code == 204


async def test_a_reference_without_case_is_seen_in_any(
    client: httpx2.AsyncClient, empty_root: Any
) -> None:
    @visible(Word)
    def not_the_cow(_actor: Identity) -> Any:
        return Word.word != "Cow"

    empty_root.platform.capture.rules.add(
        next(iter(declared_in(module_of(not_the_cow=not_the_cow))))
    )
    await client.post(f"{HERE}/words:batchCreate", json={"items": [{"word": "Ape"}]})
    made = await client.post(f"{HERE}/pages", json={"main": "APE"})
    assert made.status_code == 201, made.text
    assert (await client.post(f"{HERE}/pages", json={"main": "COW"})).status_code == 409


async def test_a_related_row_shows_numbers_as_its_own_resource_does(
    client: httpx2.AsyncClient,
) -> None:
    big = str(2**60 + 1)
    made = await client.post(f"{HERE}/stars", json={"id": big})
    assert made.status_code == 201, made.json()
    await client.post(f"{HERE}/planets", json={"star_id": big})
    planet = {"id": 1, "star_id": big}
    shown = (await client.get(f"{HERE}/planets?expand=star.planets")).json()["items"]
    inside = {"items": [planet], "has_more": False}
    assert shown == [{**planet, "star": {"id": big, "planets": inside}}]
    document = (await client.get("/api/openapi.json")).json()["components"]["schemas"]
    there = document["Planet"]["properties"]["star"]["anyOf"][0]
    assert there == {"$ref": "#/components/schemas/Star"}


async def test_members_are_addressed_as_their_own_resource_shows_their_keys(
    client: httpx2.AsyncClient,
) -> None:
    big, bigger = str(2**60 + 1), str(2**60 + 3)
    for key in (big, bigger):
        await client.post(f"{HERE}/stars", json={"id": key})
    figures = f"{HERE}/figures"
    made = await client.post(figures, json={"stars": [bigger, big]})
    assert made.status_code == 201, made.text
    assert made.json() == {"id": 1, "stars": [big, bigger]}
    changed = await client.patch(f"{figures}/1", json={"stars": [int(bigger)]})
    assert changed.json() == {"id": 1, "stars": [bigger]}
    items = {"items": [{"key": "1", "changes": {"stars": [big]}}]}
    changed = await client.post(f"{figures}:batchUpdate", json=items)
    assert changed.json()["items"][0]["body"] == {"id": 1, "stars": [big]}
    assert (await client.get(f"{figures}/1")).json() == {"id": 1, "stars": [big]}
    found = await client.get(f"{figures}?stars.id={big}")
    assert [row["stars"] for row in found.json()["items"]] == [[big]]


@pytest.mark.parametrize(
    ("stars", "pointer"),
    [
        (["1.5"], "/stars/0"),
        ([None], "/stars/0"),
        (["1", "x"], "/stars/1"),
        ([str(2**63)], "/stars/0"),
    ],
)
async def test_the_key_of_a_member_that_is_a_text_has_to_be_a_number(
    client: httpx2.AsyncClient, stars: list[Any], pointer: str
) -> None:
    refused = await client.post(f"{HERE}/figures", json={"stars": stars})
    assert refused.status_code == 422
    assert [each["pointer"] for each in refused.json()["errors"]] == [pointer]


async def test_a_member_that_is_missing_is_told_by_its_text(client: httpx2.AsyncClient) -> None:
    refused = await client.post(f"{HERE}/figures", json={"stars": [str(2**60)]})
    assert (refused.status_code, refused.json()["code"]) == (409, "integrity")
    assert refused.json()["errors"][0]["pointer"] == "/stars/0"


async def test_a_result_of_a_batch_is_a_member_although_it_is_a_text(
    client: httpx2.AsyncClient,
) -> None:
    big = str(2**60 + 1)
    operations = [
        {"operation": "create", "resource": "oddities/stars", "values": {"id": big}},
        {
            "operation": "create",
            "resource": "oddities/figures",
            "values": {"stars": [{"$result": [0, "id"]}]},
        },
    ]
    done = await client.post("/api/batch", json={"operations": operations})
    assert done.status_code == 200, done.text
    assert done.json()["items"][1]["body"] == {"id": 1, "stars": [big]}


async def test_the_document_says_that_keys_of_members_are_texts(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/api/openapi.json")).json()
    text = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}
    for name in ("Figure", "FigureCreate", "FigureUpdate"):
        stars = document["components"]["schemas"][name]["properties"]["stars"]
        assert stars["items"] == text
    asked = document["paths"][f"{HERE.removeprefix('/api')}/figures"]["get"]["parameters"]
    (word,) = [each for each in asked if each["name"] == "stars.id"]
    assert word["schema"]["items"] == text
    pages = document["components"]["schemas"]["Page"]["properties"]
    assert pages["words"]["items"] == {"type": "string"}


def test_a_schema_of_ones_own_answer_writes_keys_of_members_as_the_resource_does(
    empty_root: Any,
) -> None:
    assert empty_root
    shown = schema(Figure, "read", members=["stars"])
    assert shown(id=1, stars=[str(2**60)]).model_dump_json() == f'{{"id":1,"stars":["{2**60}"]}}'
