"""What a list may be asked for by its address: what it shows, filters or searches by."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.admin.house import House

pytestmark = pytest.mark.anyio

KEYS, USERS = "/admin/trivet/apikey/", "/admin/accounts/user/"
ITEMS, GROUPS, AUDIT = "/admin/stock/item/", "/admin/auth/group/", "/admin/trivet/auditentry/"


@pytest.mark.once  # it is refused before any database is asked
@pytest.mark.parametrize(
    ("page", "query"),
    [
        (KEYS, "digest__startswith=fba"),
        (KEYS, "digest=x"),
        (KEYS, "digest__isnull=0"),
        (KEYS, "created_at__year=2026"),
        (KEYS, "scopes__0=stock.view_item"),
        (KEYS, "owner__password__startswith=argon2"),
        (KEYS, "owner__email__contains=example"),
        (KEYS, "owner__groups__name=x"),
        (USERS, "password__startswith=argon2"),
        (USERS, "date_joined__gte=2020-01-01"),
        (USERS, "user_permissions__codename=view_item"),
        (USERS, "groups__name__startswith=k"),
        (USERS, "logentry__change_message__contains=x"),
        (GROUPS, "permissions__codename=view_item"),
        (GROUPS, "user__password__startswith=a"),
        (ITEMS, "keeper__password__startswith=argon2"),
        (ITEMS, "supplier__name=Acme"),
        (ITEMS, "parent__name=Saw"),
        (ITEMS, "version=1"),
        (ITEMS, "category__items__sku=x"),
        (AUDIT, "changes__contains=Hammer"),
        (AUDIT, "changes__startswith=x"),
        (AUDIT, "row_key__startswith=1"),
        (AUDIT, "hash__startswith=a"),
        (AUDIT, "previous__startswith=a"),
        (AUDIT, "kind__startswith=u"),
    ],
)
async def test_what_a_list_does_not_show_cannot_be_asked_for(
    house: House, page: str, query: str
) -> None:
    name, _, value = query.partition("=")
    async with house.visit() as boss:
        refused = await boss.get(f"{page}?{query}")
    assert refused.status == 400
    assert name.rpartition("__")[0] not in refused.text or "__" not in name
    assert value not in refused.text or len(value) < 3


@pytest.mark.parametrize(
    ("page", "query", "shown"),
    [
        (USERS, "is_superuser__exact=1", ["boss@"]),
        (USERS, "username__startswith=cl", ["clerk@"]),
        (USERS, "email=guest@example.org", ["guest@"]),
        (USERS, "groups__isnull=1", ["boss@", "clerk@", "guest@"]),
        (USERS, "pk__in=0", []),
        (ITEMS, "category__code__exact=toys", ["toys/Bear"]),
        (ITEMS, "category=toys", ["toys/Bear"]),
        (ITEMS, "category__name=Tools", ["tools/Hammer", "tools/Saw"]),
        (ITEMS, "quantity__gt=4", ["tools/Hammer"]),
        (ITEMS, "tags__id__exact=1", ["tools/Hammer"]),
        (ITEMS, "sku=S1", ["tools/Saw"]),
        (ITEMS, "id=3", ["toys/Bear"]),
    ],
)
async def test_what_a_list_shows_can_be_asked_for(
    house: House, page: str, query: str, shown: list[str]
) -> None:
    everything = {USERS: ("boss@", "clerk@", "guest@")}.get(
        page, ("tools/Hammer", "tools/Saw", "toys/Bear")
    )
    async with house.visit() as boss:
        answer = await boss.get(f"{page}?{query}")
    assert answer.status == 200
    assert [each for each in everything if each in answer.words] == shown


def hidden_columns() -> Iterator[tuple[str, str]]:
    """Every column of every list that its ModelAdmin names nowhere, and every column behind a
    relation that it names nowhere."""
    from django.contrib import admin

    for model, model_admin in admin.site._registry.items():
        options = model._meta
        page = f"/admin/{options.app_label}/{options.model_name}/"
        filters = [each[0] if isinstance(each, tuple) else each for each in model_admin.list_filter]
        searched = [each.lstrip("^=@") for each in model_admin.search_fields]
        named = {*model_admin.list_display, *filters, *searched, model_admin.date_hierarchy}
        parameters = {getattr(each, "parameter_name", None) for each in filters}
        for field in options.get_fields():
            target: Any = field.related_model
            by_key = f"{field.name}__{target._meta.pk.name}" if field.is_relation else ""
            is_named = not {field.name, by_key}.isdisjoint(named | parameters)
            if field.concrete and not field.primary_key and not is_named:
                yield page, field.name
            if field.is_relation:
                for column in target._meta.concrete_fields:
                    path = f"{field.name}__{column.name}"
                    if not column.primary_key and path not in named:
                        yield page, path


@pytest.mark.once  # as above
async def test_no_list_can_be_asked_for_a_column_that_it_does_not_name(house: House) -> None:
    columns = list(hidden_columns())
    assert len(columns) > 100
    wrong = {}
    async with house.visit() as boss:
        for page, path in columns:
            for lookup in ("", "__isnull", "__gte"):
                status = (await boss.get(f"{page}?{path}{lookup}=1")).status
                if status != 400:
                    wrong[page, path + lookup] = status
    assert wrong == {}


@pytest.mark.once  # as above
@pytest.mark.parametrize("page", [USERS, ITEMS, KEYS, GROUPS, AUDIT])
@pytest.mark.parametrize("lookup", ["regex", "iregex"])
async def test_no_list_takes_a_regular_expression_for_any_column(
    house: House, page: str, lookup: str
) -> None:
    """One such expression costs SQLite's process, and so everybody, more than a lifetime."""
    from django.contrib import admin

    app, name = page.split("/")[2:4]
    ((model, model_admin),) = [
        (model, each)
        for model, each in admin.site._registry.items()
        if (model._meta.app_label, model._meta.model_name) == (app, name)
    ]
    columns = {field.name for field in model._meta.get_fields()}
    asked = [*model_admin.list_display, *model_admin.search_fields, model._meta.pk.name]
    paths = {each for each in asked if isinstance(each, str) and each.split("__")[0] in columns}
    wrong = {}
    async with house.visit() as boss:
        for path in paths:
            status = (await boss.get(f"{page}?{path}__{lookup}=(((.%2B)%2B)%2B)%2B!")).status
            if status != 400:
                wrong[path] = status
    assert paths
    assert wrong == {}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("&".join(["name__contains=m"] * 100), 200),
        ("&".join(["name__contains=m"] * 101), 400),
        ("&".join(f"unknown{number}=" for number in range(101)), 400),
        (f"name__contains={'m' * 2000}", 200),
        (f"name__contains={'m' * 2001}", 400),
        ("id__in=" + ",".join(str(number) for number in range(400)), 200),
        ("id__in=" + ",".join(str(number) for number in range(10_000)), 400),
        ("o=" + ".".join(["3"] * 900), 200),
        ("o=" + ".".join(["3"] * 20_000), 400),
        (f"p={'9' * 2000}", 200),
        ("p=999999999", 200),
        (f"p={'9' * 20_000}", 400),
    ],
)
@pytest.mark.parametrize("page", [ITEMS, USERS])
async def test_what_the_address_of_a_list_asks_for_has_a_bound(
    house: House, page: str, query: str, status: int
) -> None:
    query = query if page == ITEMS else query.replace("name__", "username__")
    async with house.visit() as boss:
        answer = await boss.http.get(f"{page}?{query}")
    assert answer.status_code in ({status, 302} if "unknown" in query else {status})
    assert ("The address of a list may have" in answer.text) == (status == 400)


async def test_the_steps_behind_a_column_have_a_bound(house: House) -> None:
    from django.contrib import admin

    from tests.admin.stock.admin import ItemAdmin
    from tests.admin.stock.models import Item
    from trivet_admin.mirror.registry import mirror
    from trivet_admin.site.lookups import LOOKUP_STEPS

    shown = ItemAdmin(mirror(Item), admin.site)
    few, many = ("__".join(["sku", *(["lower"] * steps)]) for steps in (6, 7))
    assert LOOKUP_STEPS == 6
    assert shown.lookup_allowed(few, "x", None)
    assert not shown.lookup_allowed(many, "x", None)


@pytest.mark.parametrize("page", [USERS, ITEMS, KEYS, AUDIT])
async def test_the_links_of_a_list_itself_work(house: House, page: str) -> None:
    async with house.visit() as boss:
        await boss.edit(f"{ITEMS}1/change/", quantity="6")  # an entry for the trail
        first = await boss.get(page)
        links = set(re.findall(r'href="(\?[^"]+)"', first.text))
        pages = [await boss.get(page + link.replace("&amp;", "&")) for link in links]
    assert links
    assert {page.status for page in pages} == {200}


@pytest.mark.parametrize("order", ["digest", "-digest", "owner__password", "99", "x.1"])
async def test_a_list_is_ordered_by_its_own_columns_alone(house: House, order: str) -> None:
    async with house.visit() as boss:
        plain, ordered = await boss.get(ITEMS), await boss.get(f"{ITEMS}?o={order}")
    rows = [re.findall(r"(?:tools|toys)/\w+", page.words) for page in (plain, ordered)]
    assert ordered.status == 200
    assert rows[0] == rows[1]


async def test_a_model_admin_may_allow_more(house: House) -> None:
    from django.contrib import admin

    from tests.admin.stock.admin import ItemAdmin
    from tests.admin.stock.models import Item
    from trivet_admin.mirror.registry import mirror

    class Wider(ItemAdmin):
        allowed_lookups = ("supplier__name",)

    item = mirror(Item)
    admin.site.unregister(item)
    admin.site.register(item, Wider)
    async with house.visit() as boss:
        allowed = await boss.get(f"{ITEMS}?supplier__name=Acme")
        refused = await boss.get(f"{ITEMS}?supplier__id__gt=0&parent__sku=1")
    assert (allowed.status, refused.status) == (200, 400)
    assert "tools/Hammer" in allowed.words
    assert "tools/Saw" not in allowed.words
