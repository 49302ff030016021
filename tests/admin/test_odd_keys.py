"""Keys that are no plain words or numbers find their row wherever a browser brings them back."""

import datetime as dt
import html
import re
import uuid
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlencode

import django
import pytest
from sqlalchemy import delete, insert

from tests.admin.forms import Page
from tests.admin.house import House, Visitor
from tests.admin.keyed import models
from tests.admin.keyed.models import Weather

pytestmark = pytest.mark.anyio

UTC = dt.UTC
KEYS: dict[str, tuple[Any, list[Any]]] = {
    "words": (
        models.Word,
        [
            *("", "_", "_5F", "a/b", "a//b/", "../x", "add", "x/change", '"q"', "'", "100%", "%2F"),
            *(
                "%",
                "a b",
                " a ",
                "ä€😀",
                "a&b=c?d#e",
                "a+b",
                "a,b",
                "~",
                "!21",
                "<b>",
                "-1",
                "None",
            ),
            *("a\nb", "a\\b", "\t", ".", "..", "history"),
        ],
    ),
    "wholes": (models.Whole, [0, -1, 2**63 - 1, -(2**63)]),
    "moments": (
        models.Moment,
        [
            dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
            dt.datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            dt.datetime(2021, 6, 1, tzinfo=UTC),
        ],
    ),
    "clocks": (
        models.Clock,
        [dt.datetime(2020, 1, 2, 3, 4, 5, 1), dt.datetime(2021, 6, 1)],  # noqa: DTZ001  # naive
    ),
    "spans": (
        models.Span,
        [dt.timedelta(0), dt.timedelta(days=-1, seconds=5), dt.timedelta(microseconds=7)],
    ),
    "prices": (models.Price, [Decimal("0.000"), Decimal("-1.500"), Decimal("123456789.125")]),
    "tokens": (models.Token, [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]),
    "tokens in texts": (models.CharToken, [uuid.UUID(int=1), uuid.UUID(int=2**127)]),
    "tokens that are texts": (models.TextToken, [str(uuid.UUID(int=5))]),
    "bytes": (models.Digest, [b"\x00\xff", b"plain", b""]),
    "members": (models.Season, [Weather.FINE, Weather.FOUL]),
    "floats": (models.Ratio, [0.1, -2.5, 1e300, 5e-324]),
}


@pytest.fixture
async def boss(keyed_house: House) -> Any:
    async with keyed_house.platform.database.engine.begin() as connection:
        for mapped, _ in KEYS.values():
            await connection.execute(delete(mapped))
    async with keyed_house.visit() as boss:
        yield boss


async def make_rows(house: House, kind: str, name: str) -> None:
    mapped, keys = KEYS[kind]
    async with house.platform.database.engine.begin() as connection:
        for number, key in enumerate(keys):
            row = {"id": key, "name": name.format(number)}
            await connection.execute(insert(mapped).values(row))


def forms_of(page: Page, base: str) -> list[str]:
    found = re.findall(rf'href="({base}/[^"]*/change/)', page.text)
    return [html.unescape(each) for each in found]


@pytest.mark.parametrize("kind", KEYS)
async def test_its_row_is_found_by_each_page(keyed_house: House, boss: Visitor, kind: str) -> None:
    mapped, keys = KEYS[kind]
    base = f"/admin/keyed/{mapped.__name__.lower()}"
    await make_rows(keyed_house, kind, "row {}.")
    page = await boss.get(f"{base}/")
    links = forms_of(page, base)
    assert len(links) == len(keys), links
    for link in links:
        page = await boss.get(link)
        assert page.status == 200, link
        sent = await boss.send(page, name=f"{page.form['name']}!", _continue="")
        assert (sent.status, sent.headers["location"]) == (302, link)
        history = await boss.get(link.replace("/change/", "/history/"))
        assert f"{page.form['name']} → {page.form['name']}!" in history.words, link
    renamed = {f"row {number}.!" for number in range(len(keys))}
    assert {
        name for (name,) in await keyed_house.rows(f"SELECT name FROM {mapped.__tablename__}")
    } == renamed


@pytest.mark.parametrize("kind", KEYS)
async def test_its_row_is_edited_and_chosen_in_the_list(
    keyed_house: House, boss: Visitor, kind: str
) -> None:
    mapped, keys = KEYS[kind]
    base = f"/admin/keyed/{mapped.__name__.lower()}/"
    table = mapped.__tablename__
    await make_rows(keyed_house, kind, "row {}")
    page = await boss.get(base)
    names = [name for name in page.form if name.endswith("-name")]
    edited = {name: page.form[name] + "?" for name in names}
    page = await boss.send(page, **edited, _save="Save")
    assert page.status == 302, page.words
    assert {name for (name,) in await keyed_house.rows(f"SELECT name FROM {table}")} == {
        f"row {number}?" for number in range(len(keys))
    }
    page = await boss.get(base)
    chosen = page.chosen
    assert len(chosen) == len(set(chosen)) == len(keys)
    found = await boss.get(f"{base}?{urlencode({'id__exact': chosen[0]})}")
    assert len(found.chosen) == 1, found.words
    asked = await boss.send(page, action="delete_selected", _selected_action=chosen[1:])
    if chosen[1:]:
        page = await boss.send(asked, action="delete_selected", post="yes")
        assert page.status == 302, page.words
    assert await keyed_house.value(f"SELECT count(*) FROM {table}") == 1


@pytest.mark.skipif(django.VERSION < (6, 1), reason="before 6.1 only lists have actions")
@pytest.mark.parametrize("kind", KEYS)
async def test_its_row_is_acted_on_from_its_form(
    keyed_house: House, boss: Visitor, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from django.apps import apps
    from django.contrib import admin

    def shout(model_admin: Any, request: Any, queryset: Any) -> None:
        for row in queryset:
            row.name += "!"
            row.save()

    mapped, keys = KEYS[kind]
    at_the_form: Any = {"location": admin.ActionLocation.CHANGE_FORM}
    model_admin = admin.site.get_model_admin(apps.get_model("keyed", mapped.__name__))
    monkeypatch.setattr(model_admin, "actions", (admin.action(**at_the_form)(shout),))
    base = f"/admin/keyed/{mapped.__name__.lower()}"
    await make_rows(keyed_house, kind, "row {}")
    page = await boss.get(f"{base}/")
    links = forms_of(page, base)
    for link in links:
        page = await boss.get(link)
        sent = await boss.send(page, **{"CHANGE_FORM-action": "shout"})
        assert (sent.status, sent.headers["location"]) == (302, link), sent.words
        shown = await boss.get(link)
        assert shown.form["name"] == page.form["name"] + "!", (link, shown.words)
    assert {
        name for (name,) in await keyed_house.rows(f"SELECT name FROM {mapped.__tablename__}")
    } == {f"row {number}!" for number in range(len(keys))}


NOTHING = (
    *("x", "_", "%00", "a%00b", "1e999999", "9" * 40, "-" + "9" * 40, "nan", "Infinity", "%20"),
    *("2020-13-45", "10000-01-01", "7~2", "%FF", "%F0%9F%98%80", "0" * 999, "[]", "None", "True"),
    *("ffffffff-ffff-ffff-ffff-fffffffffff0", "999999999 days", "0.0005", "fine!", "abc"),
)


@pytest.mark.parametrize("kind", KEYS)
async def test_what_is_no_key_of_a_row_is_not_found(boss: Visitor, kind: str) -> None:
    base = f"/admin/keyed/{KEYS[kind][0].__name__.lower()}"
    for number, key in enumerate(NOTHING):
        page = await boss.get(f"{base}/{key}/{('change', 'history', 'delete')[number % 3]}/")
        assert (page.status, page.headers["location"]) == (302, "/admin/"), key
        if number % 3 == 0:
            page = await boss.get(f"{base}/?id__{('exact', 'in')[number % 2]}={key}")
            is_refused = page.status == 302 and page.headers["location"].endswith("?e=1")
            is_refused = is_refused or (page.status == 422 and "%00" in key)
            assert is_refused or (page.status == 200 and page.chosen == []), (key, page.status)
    page = await boss.get(f"{base}/")
    texts = [unquote(each) for each in NOTHING]
    page = await boss.send(page, action="delete_selected", _selected_action=texts)
    assert page.status in (200, 302), page.words
