"""Files of rows, by django-import-export, for visitors who do not see everything."""

from typing import Any

import pytest
from tablib import Dataset  # type: ignore[import-untyped]  # it has no types

from tests.admin.house import House
from tests.admin.seen import declare
from tests.joined.live.models import Ballot
from trivet import Identity
from trivet.rules import visible

pytestmark = pytest.mark.anyio


@visible(Ballot)
def of_the_first_question(_actor: Identity) -> Any:
    return Ballot.question == 1


@visible(Ballot, "voter")
def secret_ballot(_actor: Identity) -> bool:
    return False


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
            told.append(" ".join(str(each.error) for each in result.rows[0].errors))
        return given().export(ballots.get_queryset(request)).csv, told

    exported, told = await joined_house.platform.run_with_django(work)
    assert exported.split() == ["id,question", "1,1"]
    assert told[0] == ""
    assert told[1] != ""  # the number is taken
    assert told[2] == "You may not see a ballot with these values."
    rows = await joined_house.rows("SELECT id, question, voter FROM live_ballot ORDER BY id")
    assert rows == [(1, 1, "ada"), (2, 2, "bob")]
