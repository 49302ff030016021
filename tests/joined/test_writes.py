"""Every way in which Django writes the rows of a joined application is seen as it is written."""

import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.admin.house import House
from tests.admin.trail import noted, trail
from tests.joined.told import told

pytestmark = pytest.mark.anyio

Write = Callable[[Any], Any]


async def write(house: House, work: Write) -> Any:
    """Do `work` in a unit of its own; the module of the models is given to it."""

    def run(*_: Any) -> Any:
        from tests.joined.polls import models

        return work(models)

    return await house.platform.run_with_django(run)


async def since(house: House, table: str, work: Write) -> list[tuple[str, str, Any]]:
    """What `work` adds to the trail of `table`."""
    before = len(await trail(house, table))
    await write(house, work)
    return (await noted(house, table))[before:]


TAGS: dict[str, tuple[Write, list[tuple[str, str, Any]]]] = {
    "a save": (
        lambda m: m.Tag(name="art").save(),
        [("insert", "3", {"id": {"to": 3}, "name": {"to": "art"}, "weight": {"to": 1}})],
    ),
    "a save that changes nothing": (lambda m: m.Tag.objects.get(pk=1).save(), []),
    "an update of many by an expression": (
        lambda m: m.Tag.objects.filter(pk__gte=1).update(weight=m.models.F("weight") + 4),
        [
            ("update", "1", {"weight": {"from": 1, "to": 5}}),
            ("update", "2", {"weight": {"from": 1, "to": 5}}),
        ],
    ),
    "an update of what is so already": (lambda m: m.Tag.objects.update(weight=1), []),
    "many at once, some of them there": (
        lambda m: m.Tag.objects.bulk_create(
            [m.Tag(name="sport"), m.Tag(id=9, name="art")], ignore_conflicts=True
        ),
        [("insert", "9", {"id": {"to": 9}, "name": {"to": "art"}, "weight": {"to": 1}})],
    ),
    "one that is there": (
        lambda m: m.Tag.objects.bulk_create([m.Tag(name="sport")], ignore_conflicts=True),
        [],
    ),
    "many at once, those that are there changed": (
        lambda m: m.Tag.objects.bulk_create(
            [m.Tag(id=8, name="art"), m.Tag(name="food", weight=7)],
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["weight"],
        ),
        [
            ("update", "2", {"weight": {"from": 1, "to": 7}}),
            ("insert", "8", {"id": {"to": 8}, "name": {"to": "art"}, "weight": {"to": 1}}),
        ],
    ),
    "a bulk update": (
        lambda m: m.Tag.objects.bulk_update([m.Tag(id=2, name="drink")], ["name"]),
        [("update", "2", {"name": {"from": "food", "to": "drink"}})],
    ),
    "get or create": (lambda m: m.Tag.objects.get_or_create(name="sport"), []),
    "a deletion of many": (
        lambda m: m.Tag.objects.filter(name="food").delete(),
        [
            (
                "delete",
                "2",
                {"id": {"from": 2}, "name": {"from": "food"}, "weight": {"from": 1}},
            )
        ],
    ),
}


@pytest.mark.parametrize("name", TAGS)
async def test_rows_are_noted_with_what_they_were_and_are(joined_house: House, name: str) -> None:
    work, expected = TAGS[name]
    found = await since(joined_house, "polls_tag", work)
    assert sorted(found, key=lambda each: each[1]) == expected


LINKS: dict[str, tuple[Write, dict[str, Any]]] = {
    "added": (lambda m: m.Question.objects.get(pk=1).tags.add(1, 2), {"added": ["1", "2"]}),
    "added from the other end": (
        lambda m: m.Tag.objects.get(pk=2).question_set.add(1),
        {"added": ["2"]},
    ),
    "set by keys as text": (
        lambda m: m.Question.objects.get(pk=1).tags.set(["2"]),
        {"added": ["2"]},
    ),
}


@pytest.mark.parametrize("name", LINKS)
async def test_links_are_noted_at_the_object_that_has_them(joined_house: House, name: str) -> None:
    work, expected = LINKS[name]
    assert await since(joined_house, "polls_question", work) == [
        ("update", "1", {"tags": expected})
    ]
    event = (await told(joined_house, "live:questions"))[-1]
    assert (event["kind"], event["old"]) == ("update", {"tags": "()"})


async def test_links_that_go_are_noted_and_told_with_those_that_were(joined_house: House) -> None:
    await write(joined_house, lambda m: m.Question.objects.get(pk=1).tags.set([1, 2]))
    cleared = await since(
        joined_house, "polls_question", lambda m: m.Question.objects.get(pk=1).tags.clear()
    )
    assert cleared == [("update", "1", {"tags": {"removed": ["1", "2"]}})]
    assert (await told(joined_house, "live:questions"))[-1]["old"] == {"tags": "(1, 2)"}


async def test_what_a_deletion_takes_along_is_noted_and_told(joined_house: House) -> None:
    await write(joined_house, lambda m: m.Question.objects.get(pk=1).tags.add(1))
    counts = [
        len(await since(joined_house, table, lambda _m: None))
        for table in ("polls_choice", "polls_question")
    ]
    assert counts == [0, 0]
    before = len(await trail(joined_house, "polls_question"))
    gone = await since(joined_house, "polls_choice", lambda m: m.Question.objects.all().delete())
    assert [(kind, changes["text"]) for kind, _, changes in gone] == [
        ("delete", {"from": "No opinion"}),
        ("delete", {"from": "Soup"}),
        ("delete", {"from": "No opinion"}),
    ]
    questions = (await noted(joined_house, "polls_question"))[before:]
    assert ("update", "1", {"tags": {"removed": ["1"]}}) in questions
    assert [kind for kind, *_ in questions].count("delete") == 2
    last = (await told(joined_house, "live:questions"))[-1]
    assert (last["kind"], last["text"]) in [("delete", "What for lunch?"), ("delete", "Who wins?")]
    assert await joined_house.value("SELECT count(*) FROM polls_choice") == 0


async def test_the_end_of_a_user_is_noted_at_what_refers_to_it(joined_house: House) -> None:
    def remove(_models: Any) -> None:
        from django.contrib.auth import get_user_model

        get_user_model().objects.get(username="boss").delete()

    found = await since(joined_house, "polls_question", remove)
    assert [(kind, key, changes["author_id"]["to"]) for kind, key, changes in found] == [
        ("update", "1", None)
    ]


async def test_each_table_of_an_inherited_model_has_its_part_of_the_row(
    joined_house: House,
) -> None:
    await write(
        joined_house,
        lambda m: m.Survey.objects.create(id=7, text="Long", budget=Decimal("10.50")),
    )
    parts = await since(
        joined_house,
        "polls_survey",
        lambda m: m.Survey.objects.filter(pk=7).update(text="Longer", budget=Decimal("11.25")),
    )
    assert parts == [("update", "7", {"budget": {"from": "10.50", "to": "11.25"}})]
    assert (await noted(joined_house, "polls_question"))[-1] == (
        "update",
        "7",
        {"text": {"from": "Long", "to": "Longer"}},
    )
    gone = await since(joined_house, "polls_survey", lambda m: m.Survey.objects.get(pk=7).delete())
    assert [kind for kind, *_ in gone] == ["delete"]
    assert (await noted(joined_house, "polls_question"))[-1][0] == "delete"


async def test_secrets_and_what_is_exempt_do_not_stand_in_the_trail(joined_house: House) -> None:
    def make(m: Any) -> None:
        token = m.Token.objects.create(value="first-value", password="first-word")
        token.value, token.password = "second-value", "second-word"
        token.save()
        m.Visit.objects.create(path="/somewhere/")

    found = await since(joined_house, "polls_token", make)
    assert [kind for kind, *_ in found] == ["insert", "update"]
    assert found[1][2] == {"value": {"redacted": True}, "password": {"redacted": True}}
    text = json.dumps(found)
    assert not any(word in text for word in ("first-", "second-"))
    assert await trail(joined_house, "polls_visit") == []


async def test_a_savepoint_that_is_rolled_back_leaves_nothing(joined_house: House) -> None:
    def work(m: Any) -> None:
        from django.db import transaction

        m.Tag.objects.create(name="kept")
        with transaction.atomic():
            m.Tag.objects.create(name="dropped")
            m.Question.objects.filter(pk=1).update(text="dropped")
            transaction.set_rollback(True)

    before = await told(joined_house, "live:questions")
    found = await since(joined_house, "polls_tag", work)
    assert [changes["name"] for _, _, changes in found] == [{"to": "kept"}]
    assert await told(joined_house, "live:questions") == before


async def test_a_feed_that_asks_the_database_is_refused(joined_house: House) -> None:
    with pytest.raises(Exception, match="votes_changed of Choice asked the database"):
        await write(joined_house, lambda m: m.Choice.objects.create(question_id=1, text="curious"))
    assert await joined_house.value("SELECT count(*) FROM polls_choice WHERE text='curious'") == 0


async def test_a_key_is_not_changed_under_the_trail(joined_house: House) -> None:
    with pytest.raises(Exception, match="keep their primary keys"):
        await write(joined_house, lambda m: m.Tag.objects.filter(pk=1).update(id=100))


async def test_a_management_command_writes_in_a_unit_too(joined_house: House) -> None:
    def run(_models: Any) -> None:
        from django.core.management import call_command

        output = io.StringIO()
        call_command("close_questions", stdout=output)
        assert output.getvalue() == "2 closed\n"

    found = await since(joined_house, "polls_question", run)
    assert [changes for *_, changes in found] == [{"is_open": {"from": True, "to": False}}] * 2
