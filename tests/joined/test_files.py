"""Files of rows, by django-import-export, for visitors who do not see everything."""

from typing import Any

import pytest
from tablib import Dataset  # type: ignore[import-untyped]  # it has no types

from tests.admin.house import House
from tests.admin.seen import declare
from tests.joined.live.models import Ballot, Station, Watch
from trivet import Identity
from trivet.rules import visible

pytestmark = pytest.mark.anyio


@visible(Ballot)
def of_the_first_question(_actor: Identity) -> Any:
    return Ballot.question == 1


@visible(Ballot, "voter")
def secret_ballot(_actor: Identity) -> bool:
    return False


@visible(Station)
def open_stations(_actor: Identity) -> Any:
    return Station.is_open


def told_of(result: Any) -> str:
    """What is said of the one row of a file."""
    errors = [str(each.error) for each in result.rows[0].errors]
    return " ".join([*errors, *(str(m) for row in result.invalid_rows for m in row.error.messages)])


async def test_a_file_holds_and_brings_what_the_visitor_sees(joined_house: House) -> None:
    declare(joined_house, of_the_first_question, secret_ballot)
    await joined_house.write(
        "INSERT INTO live_ballot (id, question, voter) VALUES (1, 1, 'ada'), (2, 2, 'bob')"
    )

    def work(*_: Any) -> tuple[str, list[str]]:
        from django.contrib import admin
        from django.http import HttpRequest
        from import_export.admin import (  # type: ignore[import-untyped]  # it has no types
            ImportExportMixin,
        )

        from trivet_admin import ModelAdmin
        from trivet_admin.mirror.registry import mirror
        from trivet_admin.site.seeing import OnlySeenPages, in_front_of

        class BallotAdmin(ImportExportMixin, ModelAdmin):  # type: ignore[misc]  # as above
            pass

        ballots = in_front_of(BallotAdmin, OnlySeenPages)(mirror(Ballot), admin.site)
        request = HttpRequest()
        (given,) = ballots.get_export_resource_classes(request)
        (taken,) = ballots.get_import_resource_classes(request)
        told = []
        for row in ((1, 1), (2, 1), (1, 2)):
            result = taken().import_data(Dataset(row, headers=["id", "question"]))
            told.append(told_of(result))
        return given().export(ballots.get_queryset(request)).csv, told

    exported, told = await joined_house.platform.run_with_django(work)
    assert exported.split() == ["id,question", "1,1"]
    assert told[0] == ""
    assert told[1] == "there is already a ballot with this id"
    assert told[2] == "You may not see a ballot with these values."
    rows = await joined_house.rows("SELECT id, question, voter FROM live_ballot ORDER BY id")
    assert rows == [(1, 1, "ada"), (2, 2, "bob")]


async def test_a_file_refers_to_rows_that_the_visitor_sees(joined_house: House) -> None:
    declare(joined_house, open_stations)
    await joined_house.write(
        "INSERT INTO live_station (id, is_open) VALUES (1, true), (2, false), (3, true)"
    )
    await joined_house.write("INSERT INTO live_watch (id, station_id) VALUES (1, 2)")
    await joined_house.write(
        "INSERT INTO live_watch_others (watch_id, station_id) VALUES (1, 1), (1, 2)"
    )

    def work(*_: Any) -> list[str]:
        from django.contrib import admin
        from django.http import HttpRequest
        from import_export.admin import ImportExportMixin

        from trivet_admin import ModelAdmin
        from trivet_admin.mirror.registry import mirror
        from trivet_admin.site.seeing import OnlySeenPages, in_front_of

        class WatchAdmin(ImportExportMixin, ModelAdmin):  # type: ignore[misc]  # it has no types
            pass

        watches = in_front_of(WatchAdmin, OnlySeenPages)(mirror(Watch), admin.site)
        (taken,) = watches.get_import_resource_classes(HttpRequest())
        heads = ["id", "station", "others"]
        rows = ((2, 1, "1,2,9"), (3, 2, ""), (4, 9, ""), (1, 2, "3"), (2, 2, ""))
        return [told_of(taken().import_data(Dataset(row, headers=heads))) for row in rows]

    missing = "Station matching query does not exist."
    told = await joined_house.platform.run_with_django(work)
    assert told == ["", missing, missing, "", missing]
    rows = await joined_house.rows("SELECT id, station_id FROM live_watch ORDER BY id")
    assert rows == [(1, 2), (2, 1)]
    others = await joined_house.rows("SELECT * FROM live_watch_others ORDER BY 1, 2")
    assert others == [(1, 2), (1, 3), (2, 1)]
