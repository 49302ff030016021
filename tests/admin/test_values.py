"""What is answered, published and audited is what is stored, through every door, or it is refused
by the name of its attribute.

Each example is one value for one column. It is sent through the API and through the form of the
admin. Then five places are compared: the answer, the publication, the entry of the audit trail,
and the row as each ORM reads it; and the admin's list has to show it.
"""

import base64
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.admin.house import ORIGIN, House, Visitor
from tests.admin.shop import Shop
from trivet.events.outbox import list_after

pytestmark = pytest.mark.anyio

SAMPLES = "/api/stock/samples"
FORM = "/admin/stock/sample/add/"
NEWEST = "SELECT coalesce(max(id), 0) FROM stock_sample"
NOT_IN_FORMS = frozenset({"blob"})
"""Bytes are edited in no form."""

EDGES = [sign * 2**bits for bits in (15, 31, 53, 63, 64) for sign in (1, -1)]
wholes = st.one_of(
    st.sampled_from(EDGES).flatmap(lambda edge: st.integers(edge - 1, edge + 1)),
    st.sampled_from([0, 10**400, True, 1.0, 2.5, "7"]),
)
floats = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.1, -0.0, 1e16, 1e22, 3.5e38, 3.4028235e38, 1e-46, 5e-324, 10**400]),
)
decimals = st.one_of(
    st.decimals(-(10**7), 10**7, allow_nan=False, places=2),
    st.decimals(-(10**21), 10**21, allow_nan=False),
    st.sampled_from(["999999.99", "1000000", "999999.995", "0.001", "-0", "1e20", "1E+3"]),
    st.sampled_from(["1e-3", "12345678901234567890.1234", "12345678901.2345", "1e400", "5"]),
).map(str)
texts = st.one_of(
    st.text(max_size=14),
    st.text(st.characters(codec=None, categories=("Cs", "Cc", "Lo", "So")), max_size=12),
    st.sampled_from(["abc", "ab", "abcd", "a\0", "\ud800", "e\u0301", "  a ", "ab "]),
    st.sampled_from(["\U0001f600" * 10, "\U0001f600" * 11, "abcdefghij   "]),
)
offsets = st.integers(-14, 14).map(lambda hours: f"{hours:+03d}:00")
instants = st.one_of(
    st.datetimes().flatmap(lambda at: offsets.map(lambda offset: at.isoformat() + offset)),
    st.datetimes().map(lambda at: at.isoformat()),
    st.sampled_from(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]),
    st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]),
    st.sampled_from(["0001-01-01T14:00:00+14:00", "2013-02-08T12:00:00.5+05:45"]),
)


@dataclasses.dataclass(frozen=True)
class Nested:
    """So many arrays in each other; as a value of Python's nobody could print it."""

    depth: int


documents = st.one_of(
    st.recursive(
        st.one_of(st.none(), st.booleans(), wholes, floats, texts),
        lambda each: st.lists(each, max_size=3) | st.dictionaries(texts, each, max_size=3),
    ),
    st.sampled_from([5, 99, 100, 101, 400, 900]).map(Nested),
)
spans = st.one_of(
    st.timedeltas().map(lambda span: f"P{span.days}DT{span.seconds}.{span.microseconds:06}S"),
    st.sampled_from(["PT0S", "PT0.000001S", "-P1DT1S", "P106751991D", "P106751992D"]),
)
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "small": wholes,
    "whole": wholes,
    "big": wholes,
    "ratio": floats,
    "single": floats,
    "price": decimals,
    "wide": decimals,
    "word": texts,
    "code": texts,
    "notes": texts,
    "flag": st.sampled_from([True, False, 0, 1, 2, "yes", "maybe"]),
    "instant": instants,
    "day": st.dates().map(str) | st.sampled_from(["0001-01-01", "9999-12-31", "2013-02-29"]),
    "time": st.times().map(str) | st.sampled_from(["23:59:59.999999", "24:00", "12:00:00+01:00"]),
    "span": spans,
    "document": documents,
    "blob": st.binary(max_size=9).map(lambda given: base64.urlsafe_b64encode(given).decode()),
    "token": st.uuids().map(str) | st.sampled_from(["{" + "0" * 32 + "}", "nothing"]),
    "colour": st.sampled_from(["red", "RED", "dark-blue", "green", ""]),
    "size": st.sampled_from(["S", "SMALL", "L", "s", "M"]),
}
values = st.sampled_from(sorted(COLUMNS)).flatmap(
    lambda name: st.tuples(st.just(name), COLUMNS[name])
)
in_one_house = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""Each example is a row more in the database of the test."""


@pytest.fixture
async def house(both_doors: House) -> AsyncIterator[House]:
    yield both_doors
    await both_doors.platform.database.close()


@pytest.fixture
async def boss(house: House) -> AsyncIterator[Visitor]:
    async with house.visit() as boss:
        yield boss


def written(value: Any) -> str:
    if isinstance(value, Nested):
        return "[" * value.depth + "]" * value.depth
    return json.dumps(value)


def body_of(name: str, value: Any) -> bytes:
    return f"{{{json.dumps(name)}: {written(value)}}}".encode()


@in_one_house
@given(values)
@example(("price", "1e20"))
@example(("word", "\ud800"))
@example(("document", {"a": [1e22, "\ud800"]}))
@example(("instant", "0001-01-01T00:00:00+14:00"))
async def test_the_api_answers_what_is_stored_or_refuses_it_by_name(
    house: House, boss: Visitor, sent: tuple[str, Any]
) -> None:
    name, value = sent
    response = await boss.http.post(SAMPLES, content=body_of(name, value), headers=WITH_ORIGIN)
    if response.status_code == 201:
        answer = response.json()
        await require_one_truth(house, answer["id"], name, answer[name])
        assert (await boss.get(f"/admin/stock/sample/{answer['id']}/change/")).status == 200
        assert (await boss.get(f"/admin/stock/sample/?id={answer['id']}")).status == 200
    else:
        require_named(response, name)


@in_one_house
@given(values.filter(lambda sent: sent[0] not in NOT_IN_FORMS))
@example(("document", Nested(900)))
async def test_the_admin_stores_what_was_typed_or_says_why_not_at_its_field(
    house: House, boss: Visitor, sent: tuple[str, Any]
) -> None:
    name, value = sent
    before = await house.value(NEWEST)
    page = await boss.edit(FORM, **typed(name, value))
    after = await house.value(NEWEST)
    if page.status == 302:
        assert after > before
        await require_one_truth(house, after, name)
        assert (await boss.get(f"/admin/stock/sample/?id={after}")).status == 200
    else:
        assert (page.status, after) == (200, before)
        assert page.error_at(name)


@in_one_house
@given(values)
async def test_a_filter_by_any_value_is_an_answer_or_a_refusal(
    boss: Visitor, sent: tuple[str, Any]
) -> None:
    name, value = sent
    path, body = f"{SAMPLES}/count/{name}", body_of(name, value)
    response = await boss.http.post(path, content=body, headers=WITH_ORIGIN)
    assert response.status_code in (200, 422), response.text


WITH_ORIGIN = {"content-type": "application/json", "origin": ORIGIN}


def typed(name: str, value: Any) -> dict[str, Any]:
    """What somebody types into the form."""
    if name == "instant":
        day, _, clock = str(value).partition("T")
        return {"instant_0": day, "instant_1": clock[:15].rstrip("Z+-")}
    if name == "document":
        return {name: written(value)}
    text = str(value).encode(errors="replace").decode()
    return {name: text}


def require_named(response: Any, name: str) -> None:
    assert response.status_code == 422, response.text
    problem = response.json()
    assert problem["code"] in ("bad-value", "invalid")
    assert {fault["pointer"].split("/")[1] for fault in problem["errors"]} == {name}
    assert problem["detail"]


async def require_one_truth(house: House, key: int, name: str, *answers: Any) -> None:
    from tests.admin.stock.api import SampleOut
    from tests.admin.stock.models import Sample

    async with house.platform.database.unit(read_only=True) as session:
        row = await session.get_one(Sample, key)
        (told, *_) = reversed(await session.run_sync(list_after, "stock:samples", 0, limit=10_000))
    mirrored = await anyio.to_thread.run_sync(read_with_django, key)
    stored, theirs = getattr(row, name), getattr(mirrored, name)
    assert same(stored, theirs), (stored, theirs)
    read = json.loads(SampleOut.model_validate(row).model_dump_json())[name]
    assert all(same(answer, read) for answer in answers), (answers, read)
    published = msgspec.json.decode(told.data)["values"]
    assert same(published[name], msgspec.to_builtins(stored, enc_hook=str)), published[name]
    entry = await house.value(
        "SELECT changes FROM trivet_audit_entry WHERE row_key = :key AND table_name = "
        "'stock_sample' ORDER BY id DESC LIMIT 1",
        key=str(key),
    )
    noted = msgspec.json.decode(entry).get(name, {"to": None})["to"]
    if name != "blob":  # of which the trail keeps the digest
        assert same(noted, msgspec.to_builtins(stored, enc_hook=str)), noted


def read_with_django(key: int) -> Any:
    from django.apps import apps
    from django.db import connection

    mirror: Any = apps.get_model("stock", "Sample")
    try:
        return mirror.objects.get(pk=key)
    finally:
        connection.close()


def same(one: Any, other: Any) -> bool:
    """Equal, and written alike: 5 is not 5.00, and 1 is not true."""
    if isinstance(one, memoryview | bytes):
        return bytes(one) == bytes(other)
    if isinstance(one, dict | list):
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    return one == other and str(one) == str(other)


async def test_a_default_and_an_expression_are_answered_as_they_are_stored(
    house: House, boss: Visitor
) -> None:
    """What a service sets is an integer, what a default gives is one, and an expression of SQL is
    worked out by the database."""
    made = await boss.http.post(
        SAMPLES, json={"price": "7", "whole": 2**30 - 1}, headers=WITH_ORIGIN
    )
    key = made.json()["id"]
    assert (made.json()["price"], made.json()["rate"]) == ("7.00", "1.000")
    changed = await boss.http.patch(f"{SAMPLES}/{key}", json={"price": "8"}, headers=WITH_ORIGIN)
    assert changed.json()["price"] == "8.00"
    await require_one_truth(house, key, "price", "8.00")
    doubled = await boss.http.post(f"{SAMPLES}/{key}/doubled/price", headers=WITH_ORIGIN)
    assert (doubled.status_code, doubled.json()["price"]) == (200, "16.00")
    await require_one_truth(house, key, "price", "16.00")
    assert (await boss.http.post(f"{SAMPLES}/{key}/doubled/whole", headers=WITH_ORIGIN)).is_success
    too_large = await boss.http.post(f"{SAMPLES}/{key}/doubled/whole", headers=WITH_ORIGIN)
    assert too_large.status_code == 422, too_large.text
    assert too_large.json()["code"] == "bad-value"
    assert await house.value("SELECT whole FROM stock_sample") == 2**31 - 2


async def test_what_the_database_worked_out_can_be_answered(house: House, boss: Visitor) -> None:
    response = await boss.http.post("/api/stock/beds", headers=WITH_ORIGIN)
    assert (response.status_code, response.text) == (200, "3")


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("[" * 3000 + "]" * 3000, "is nested"),  # too deeply for Python 3.11, and for us
        ("[" * 101 + "]" * 101, "nested deeper than 100 levels"),
        ("7" * 5000, "too many digits"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": "\\ud800"}', "half of a character"),
        ('{"a": "\\u0000"}', "NUL"),
        ("{", "at character 1"),
    ],
)
async def test_a_form_says_what_is_wrong_with_a_document_and_keeps_it(
    house: House, boss: Visitor, typed: str, sentence: str
) -> None:
    page = await boss.edit(FORM, document=typed)
    assert page.status == 200
    assert sentence in page.error_at("document")
    assert page.form["document"] == typed
    assert await house.value("SELECT count(*) FROM stock_sample") == 0


async def test_every_fault_of_a_row_is_told_at_once(house: House, boss: Visitor) -> None:
    body = {"word": "w" * 11, "small": 2**15, "size": "XL", "price": "0.001"}
    response = await boss.http.post(SAMPLES, json=body, headers=WITH_ORIGIN)
    assert {fault["pointer"]: fault["detail"] for fault in response.json()["errors"]} == {
        "/word": "it has 11 characters, and at most 10 fit",
        "/small": "it must lie between -32,768 and 32,767",
        "/size": "it must be one of S, L",
        "/price": "at most 2 digits fit after the decimal point",
    }
    assert response.status_code == 422
    assert response.json()["code"] == "bad-value"
    assert await house.value("SELECT count(*) FROM stock_sample") == 0


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"username": "u" * 151}, "username"),
        ({"username": "a\0b"}, "username"),
        ({"username": "ok", "first_name": "\ud800"}, "first_name"),
    ],
)
def test_a_row_of_djangos_own_is_held_to_its_columns_too(
    shop: Shop, fields: dict[str, str], name: str
) -> None:
    from django.contrib.auth import get_user_model
    from django.db import DataError

    from trivet_admin.errors.to_trivet import explain

    users: Any = get_user_model().objects
    with pytest.raises(DataError) as refused:
        users.create(**fields)
    explained = explain(refused.value)
    assert explained is not None
    assert (explained.status, explained.code) == (422, "bad-value")
    assert [each["pointer"] for each in explained.data["errors"]] == [f"/{name}"]
    with pytest.raises(DataError):
        users.filter(username="boss").update(**fields)
    assert shop.rows("SELECT count(*) FROM accounts_user") == [(3,)]


DATES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2013-03-10T02:30:00-05:00"]
"""The first and the last instant, and an hour that New York's clocks left out."""


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Pacific/Auckland"])
async def test_every_connection_is_in_utc_whatever_the_zone_of_the_server(
    both_doors: House, zone: str
) -> None:
    ((name,),) = await both_doors.rows("SELECT current_database()")
    async with both_doors.platform.database.engine.begin() as connection:
        await connection.execute(text(f"ALTER DATABASE \"{name}\" SET timezone TO '{zone}'"))
    await both_doors.platform.database.close()  # what is connected keeps its zone
    await anyio.to_thread.run_sync(_disconnect)
    async with both_doors.visit() as boss:
        for at in DATES:
            body = {"instant": at, "day": at[:10]}
            response = await boss.http.post(SAMPLES, json=body, headers=WITH_ORIGIN)
            assert response.status_code == 201, response.text
            answer = response.json()
            await require_one_truth(both_doors, answer["id"], "instant", answer["instant"])
            await require_one_truth(both_doors, answer["id"], "day", at[:10])
            page = await boss.get(f"/admin/stock/sample/{answer['id']}/change/")
            assert (page.status, page.form["instant_0"]) == (200, at[:10])
        assert await both_doors.value("SHOW timezone") == "UTC"
    await both_doors.platform.database.close()


def _disconnect() -> None:
    from django.db import connection

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's
