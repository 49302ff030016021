"""`examples/chinook`: a database that was there is adopted, and then used at every door."""

import re
from typing import Any

import httpx2
import pytest

from tests.chinook.conftest import Adoption, Staff, state_of
from tests.chinook.shop import TABLES, rows_of
from tests.deploy.installation import same_features
from tests.deploy.schemas import shape_of
from tests.services.databases import Databases

ADMIN = "/admin/store"
REGISTERED = sorted(set(TABLES) - {"InvoiceLine"})
"""The classes with pages of their own; the lines stand in the form of their invoice."""


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Of each table that differs: the rows that went, and those that came."""
    return {
        table: (set(rows) - set(after[table]), set(after[table]) - set(rows))
        for table, rows in before.items()
        if rows != after[table]
    }


class TestAdoption:
    def test_the_plan_names_every_table_and_no_difference(self, shop_adoption: Adoption) -> None:
        plan = " ".join(shop_adoption.plan.split())
        assert f"11 tables are there: {', '.join(TABLES)} The plan:" in plan
        assert "differs" not in plan
        assert "missing" not in plan

    def test_neither_the_plan_nor_the_adoption_alters_a_table_or_a_value(
        self, shop_adoption: Adoption
    ) -> None:
        before, planned, after = shop_adoption.states
        _, rows = before
        assert {table: len(rows[table]) for table in ("Track", "PlaylistTrack", "Employee")} == {
            "Track": 3503,
            "PlaylistTrack": 8715,
            "Employee": 8,
        }
        assert planned == before
        assert after == before

    def test_models_revisions_and_database_agree_then(self, shop_adoption: Adoption) -> None:
        checked = shop_adoption.installation.run("check").stdout
        assert "models, migrations and database agree" in checked
        assert "every list and form of the admin opens" in checked

    def test_the_baseline_builds_the_same_tables_in_a_fresh_database(
        self, shop_adoption: Adoption, databases: Databases
    ) -> None:
        fresh = same_features(shop_adoption.installation, databases.create_empty())
        fresh.run("migrate")
        theirs = shop_adoption.installation
        assert shape_without_dialect(fresh.url) == shape_without_dialect(theirs.url)
        assert fresh.json("migrate", "--check")["alembic"] == []
        databases.drop(fresh.url)


def shape_without_dialect(url: str) -> str:
    """The shape of the shop's tables. A revision that runs on PostgreSQL too has no NVARCHAR, which
    is VARCHAR by another name."""
    return repr(shape_of(url, TABLES)).replace("NVARCHAR", "VARCHAR")


class TestTheAdmin:
    @pytest.mark.parametrize("name", [*map(str.lower, REGISTERED)])
    def test_every_page_of_a_class_opens(self, staff: Staff, name: str) -> None:
        home = f"{ADMIN}/{name}/"
        listed = staff.get(home)
        assert listed.status == 200
        row = re.search(rf'href="({home}[^"/]+/)change/', listed.text)
        assert row is not None
        pages = [f"{home}add/", *(row[1] + each for each in ("change/", "history/", "delete/"))]
        assert {path: staff.get(path).status for path in pages} == dict.fromkeys(pages, 200)

    @pytest.mark.parametrize(
        ("name", "query", "found", "first"),
        [
            ("artist", {"q": "jobim"}, 1, "Antônio Carlos Jobim"),
            ("album", {"q": "led zeppelin houses"}, 1, "Houses Of The Holy"),
            ("track", {"q": "nobody wrote this"}, 0, ""),
            ("track", {"genre__genre_id__exact": "25"}, 1, "Die Zauberflöte"),
            ("employee", {"q": "chinookcorp", "title": "Sales Support Agent"}, 3, "Johnson"),
            ("customer", {"country": "Norway"}, 1, "Hansen"),
            ("invoice", {"q": "leonekohler", "invoice_date__year": "2021"}, 3, "Leonie Köhler"),
        ],
    )
    def test_rows_are_found(
        self, staff: Staff, name: str, query: dict[str, str], found: int, first: str
    ) -> None:
        page = staff.get(f"{ADMIN}/{name}/", **query)
        assert len(page.chosen) == found
        assert first in page.words

    def test_an_untouched_form_changes_nothing(self, staff: Staff, shop_adoption: Adoption) -> None:
        before = state_of(shop_adoption.installation.url)
        for path in ("artist/22", "employee/3", "invoice/5", "customer/2", "track/99"):
            page = staff.get(f"{ADMIN}/{path}/change/")
            assert "was changed successfully" in staff.send(page).words
        assert state_of(shop_adoption.installation.url) == before

    def test_an_edit_writes_its_own_column_and_is_in_the_history(
        self, staff: Staff, shop_adoption: Adoption
    ) -> None:
        url = shop_adoption.installation.url
        before = rows_of(url)
        page = staff.get(f"{ADMIN}/artist/50/change/")
        assert page.form["name"] == "Metallica"
        staff.send(page, name="Métallica")

        assert changed(before, rows_of(url)) == {
            "Artist": ({(50, "Metallica")}, {(50, "Métallica")})
        }
        history = staff.get(f"{ADMIN}/artist/50/history/").words
        assert "Métallica" in history
        assert "ada" in history
        assert len(staff.get(f"{ADMIN}/artist/", q="métallica").chosen) == 1

    def test_a_moment_is_written_as_the_database_has_its_moments(
        self, staff: Staff, shop_adoption: Adoption
    ) -> None:
        url = shop_adoption.installation.url
        before = rows_of(url)
        staff.send(staff.get(f"{ADMIN}/employee/8/change/"), hire_date_0="2004-03-05")
        ((gone, come),) = changed(before, rows_of(url)).values()
        assert [str(row[6]) for row in (*gone, *come)] == [
            "2004-03-04 00:00:00",
            "2004-03-05 00:00:00",
        ]
        assert {row[:6] + row[7:] for row in gone} == {row[:6] + row[7:] for row in come}

    def test_an_album_is_added_in_the_form_of_its_artist(
        self, staff: Staff, shop_adoption: Adoption
    ) -> None:
        url = shop_adoption.installation.url
        before = rows_of(url)
        page = staff.get(f"{ADMIN}/artist/7/change/")
        count = int(page.form["albums-TOTAL_FORMS"])
        staff.send(page, **{f"albums-{count - 1}-title": "Cell-0"})
        ((gone, come),) = changed(before, rows_of(url)).values()
        assert (gone, [row[1:] for row in come]) == (set(), [("Cell-0", 7)])

    def test_one_line_of_an_invoice_is_changed_in_its_form(
        self, staff: Staff, shop_adoption: Adoption
    ) -> None:
        url = shop_adoption.installation.url
        before = rows_of(url)
        page = staff.get(f"{ADMIN}/invoice/2/change/")
        assert page.form["lines-TOTAL_FORMS"] == "4"
        staff.send(page, **{"lines-2-quantity": "3"})
        ((gone, come),) = changed(before, rows_of(url)).values()
        assert [[*row][4] for row in (*gone, *come)] == [1, 3]

    def test_a_track_is_put_on_a_playlist_and_taken_off_it(
        self, staff: Staff, shop_adoption: Adoption
    ) -> None:
        url = shop_adoption.installation.url
        before = rows_of(url)
        home = f"{ADMIN}/playlisttrack/"
        staff.send(staff.get(f"{home}add/"), playlist="18", track="3503")
        assert changed(before, rows_of(url)) == {"PlaylistTrack": (set(), {(18, 3503)})}

        again = staff.send(staff.get(f"{home}add/"), playlist="18", track="3503")
        assert "there is already a playlist track with this playlist and track" in again.words
        listed = staff.get(home, playlist__playlist_id__exact="18", q="koyaanisqatsi")
        (row,) = set(re.findall(rf'href="({home}[^"/]+/)change/', listed.text))
        assert "ada" in staff.get(f"{row}history/").words
        staff.send(staff.get(f"{row}delete/"))
        assert rows_of(url) == before

    def test_what_others_need_is_not_deleted(self, staff: Staff) -> None:
        page = staff.get(f"{ADMIN}/mediatype/1/delete/")
        assert "would require deleting the following protected related objects" in page.words
        assert page.form == {}

    def test_few_are_chosen_from_a_list_and_many_are_searched(self, staff: Staff) -> None:
        page = staff.get(f"{ADMIN}/track/1/change/")
        assert page.options["genre"] == {"", *map(str, range(1, 26))}
        assert page.options["album"] == {"", "1"}


class TestTheApi:
    @pytest.mark.parametrize("name", TABLES)
    def test_all_rows_of_a_class_are_read_as_they_are_stored(
        self, program: httpx2.Client, shop_adoption: Adoption, name: str
    ) -> None:
        path = f"/{re.sub('(?<!^)(?=[A-Z])', '-', name).lower()}s"
        query, read = {"limit": "200"}, []
        while query.get("cursor") != "":
            page = program.get(path, params=query).json()
            read += [[*map(plain, row.values())] for row in page["items"]]
            query["cursor"] = page["next_cursor"] or ""
        stored = rows_of(shop_adoption.installation.url)[name]
        assert read == [[*map(plain, row)] for row in stored]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("/artists?name.contains=ac/", ["AC/DC"]),
            ("/artists?search=jobim", ["Antônio Carlos Jobim"]),
            ("/tracks?album.artist.name=Gene%20Krupa&limit=3", [624, 625, 626]),
            ("/tracks?entries.playlist_id=16&sort=-track_id&limit=2", [3367, 2550]),
            ("/invoices?total.gte=20&sort=-total", [404, 299, 194, 96]),
            ("/invoices?invoice_date.gte=2025-12-14T00:00:00", [411, 412]),
            ("/employees?reports_to.null=true", [1]),
        ],
    )
    def test_rows_are_found(self, program: httpx2.Client, query: str, found: list[Any]) -> None:
        items = program.get(query).json()["items"]
        shown = "name" if isinstance(found[0], str) else next(iter(items[0]))
        assert sorted(map(str, found)) == sorted(str(each[shown]) for each in items)

    def test_related_rows_are_read_along(self, program: httpx2.Client) -> None:
        artist = program.get("/artists/1", params={"expand": "albums.tracks"}).json()
        assert [album["title"] for album in artist["albums"]["items"]] == [
            "For Those About To Rock We Salute You",
            "Let There Be Rock",
        ]
        first = artist["albums"]["items"][0]["tracks"]["items"][0]
        assert (first["track_id"], first["unit_price"]) == (1, "0.99")
        head = program.get("/employees/2", params={"expand": "manager,team"}).json()
        assert head["manager"]["last_name"] == "Adams"
        assert [each["last_name"] for each in head["team"]["items"]] == [
            "Peacock",
            "Park",
            "Johnson",
        ]

    def test_a_track_is_put_on_a_playlist_once_and_taken_off_it(
        self, program: httpx2.Client, staff: Staff, shop_adoption: Adoption
    ) -> None:
        url = shop_adoption.installation.url
        before = rows_of(url)
        entry = {"playlist_id": 9, "track_id": 12}
        added = program.post("/playlist-tracks", json=entry)
        assert (added.status_code, added.json()) == (201, entry)
        again = program.post("/playlist-tracks", json=entry)
        assert (again.status_code, again.json()["code"]) == (409, "integrity")
        assert changed(before, rows_of(url)) == {"PlaylistTrack": (set(), {(9, 12)})}

        listed = staff.get(f"{ADMIN}/playlisttrack/", playlist__playlist_id__exact="9", q="rules")
        (row,) = set(re.findall(rf'href="({ADMIN}/[^"]+/)change/', listed.text))
        history = staff.get(f"{row}history/").words
        assert "ada" in history
        assert "api" in history.lower()

        address = added.headers["location"].removeprefix("/api/store")
        assert program.delete(address).status_code == 204
        assert program.get(address).status_code == 404
        assert rows_of(url) == before

    def test_a_row_is_made_changed_and_deleted(
        self, program: httpx2.Client, shop_adoption: Adoption
    ) -> None:
        url = shop_adoption.installation.url
        before = rows_of(url)
        given = {"customer_id": 7, "invoice_date": "2026-03-01T09:30:00", "total": "2.50"}
        made = program.post("/invoices", json=given)
        (key,) = (row[0] for row in changed(before, rows_of(url))["Invoice"][1])
        assert made.json() == {**dict.fromkeys(made.json()), "invoice_id": key, **given}
        line = {"invoice_id": key, "track_id": 3, "unit_price": "1.25", "quantity": 1}
        lines = program.post("/invoice-lines:batchCreate", json={"items": [line, line]})
        assert [each["status"] for each in lines.json()["items"]] == [201, 201]

        path, version = f"/invoices/{key}", {"if-match": made.headers["etag"]}
        paid = program.patch(path, json={"total": "3.00"}, headers=version)
        assert (paid.status_code, paid.json()["total"]) == (200, "3.00")
        assert program.patch(path, json={"total": "4.00"}, headers=version).status_code == 412
        assert program.delete(path).status_code == 204
        assert rows_of(url) == before

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("GET", "/artists/276000", None, 404),
            ("GET", "/artists/jobim", None, 422),
            ("GET", "/playlist-tracks/1", None, 422),
            ("GET", "/tracks?genre=Jazz", None, 422),
            ("POST", "/playlist-tracks", {"playlist_id": 1, "track_id": 3504000}, 409),
            ("POST", "/playlist-tracks", {"playlist_id": 1, "track_id": "one"}, 422),
            ("POST", "/artists", {"artist_id": 1, "name": "Nobody"}, 422),
            ("PATCH", "/tracks/1", {"name": None}, 422),
            ("DELETE", "/media-types/1", None, 409),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, program: httpx2.Client, method: str, path: str, body: Any, status: int
    ) -> None:
        assert program.request(method, path, json=body).status_code == status

    def test_nobody_reads_or_writes_without_a_login(self, program: httpx2.Client) -> None:
        nobody = {"authorization": ""}
        assert program.get("/artists", headers=nobody).status_code == 401
        entry = {"playlist_id": 9, "track_id": 1}
        assert program.post("/playlist-tracks", json=entry, headers=nobody).status_code == 401


def plain(value: Any) -> str:
    """A value as it is compared: a database has its own texts for moments and amounts."""
    return f"{value:.2f}" if isinstance(value, float) else str(value).replace("T", " ")
