"""What the API refuses of a flight, no form, list, action or command does either.

Each refusal of the API stands here with what the same wish is at the other doors. Whatever is
refused leaves no row, no publication, no audit entry and no entry of Django's log behind.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from departures.models import MovementKind
from departures.services import MovementReport, record_movements
from tests.admin.forms import Page, read_page
from tests.departures.house import AIRLINE, MORNING, add_flights, minutes
from trivet.errors import TrivetError
from trivet.testing import Application

SCHEDULED, DELAYED, OFF_BLOCK, AIRBORNE, LANDED, CANCELLED = range(1, 7)
"""The keys of flights, each of which is what its name says."""
PERMISSIONS = ["departures.view_flight", "departures.change_flight", "departures.add_movement"]
API = "/api/departures"
LIST = "/admin/departures/flight/"


@dataclass(frozen=True)
class Wish:
    """`body` sent to `path` of the API is answered with `status`; the form of `flight` sent with
    `values` says `sentence` at `at`, or above the form."""

    name: str
    path: str
    body: Any
    status: int
    flight: int
    values: dict[str, str]
    sentence: str
    at: str | None = None
    says: str = ""
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


def gate(name: str, flight: int, value: str, status: int, sentence: str) -> Wish:
    path = f"/flights/{flight}/gate"
    return Wish(name, path, {"gate": value}, status, flight, {"gate": value}, sentence, "gate")


def movement(
    name: str, kind: str, flight: int, values: dict[str, str], told: tuple[str, str], **more: Any
) -> Wish:
    sentence, at = told
    instant = more.pop("instant", MORNING + minutes(200))
    body = {"id": "new", "kind": kind, "flight": flight, "at": instant.isoformat(), **more}
    says = more.pop("says", "")
    body.pop("says", None)
    return Wish(name, "/movements", body, 422, flight, values, sentence, at, says)


def time(name: str, instant: dt.datetime) -> dict[str, str]:
    return {f"{name}_0": f"{instant:%Y-%m-%d}", f"{name}_1": f"{instant:%H:%M:%S}"}


TOMORROW = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
LATER = MORNING + minutes(300)
KEPT = "its gate cannot change any more"
GATES = [
    gate("of one off-block", OFF_BLOCK, "B5", 409, f"B6 3 is off-block; {KEPT}"),
    gate("of one in the air", AIRBORNE, "B5", 409, f"B6 4 is airborne; {KEPT}"),
    gate("of one that landed", LANDED, "B5", 409, f"B6 5 is landed; {KEPT}"),
    gate("of a cancelled one", CANCELLED, "B5", 409, f"B6 6 is cancelled; {KEPT}"),
    gate("that is none", SCHEDULED, "?", 422, "'?' is no gate"),
]
CANCELLATIONS = [
    Wish(
        name, f"/flights/{flight}/cancel", None, 409, flight, {"status": "cancelled"},
        f"Too late to cancel B6 {flight}: it has taken off.", "status",
    )
    for name, flight in (("in the air", AIRBORNE), ("landed", LANDED))
]  # fmt: skip
STATES = [
    movement(
        f"{kind} after {was}", kind, flight, {"status": state},
        told=(f"is {was}; it cannot be {state}", "status"),
        says=f"is {was}; it cannot be {kind}", **more,
    )
    for kind, state, more, flights in (
        ("delay", "delayed", {"minutes": 5}, (OFF_BLOCK, AIRBORNE, LANDED, CANCELLED)),
        ("off-block", "off-block", {}, (AIRBORNE, LANDED, CANCELLED)),
        ("airborne", "airborne", {}, (LANDED, CANCELLED)),
        ("landed", "landed", {}, (CANCELLED,)),
    )
    for flight in flights
    for was in ({3: "off-block", 4: "airborne", 5: "landed", 6: "cancelled"}[flight],)
]  # fmt: skip
BACK = [
    movement(
        f"back on schedule after {was}", "delay", flight, {"status": "scheduled"},
        told=(f"is {was}; it cannot be scheduled", "status"), says="cannot be delay", minutes=0,
    )
    for flight, was in ((OFF_BLOCK, "off-block"), (LANDED, "landed"), (CANCELLED, "cancelled"))
]  # fmt: skip
LEAPS = [
    movement(
        "airborne from its stand", "airborne", SCHEDULED,
        {"status": "airborne"} | time("airborne_at", LATER),
        told=("a flight that is airborne needs it", "actual_departure"), says="cannot be airborne",
    ),
    movement(
        "landed from its stand", "landed", DELAYED,
        {"status": "landed"} | time("actual_arrival", LATER),
        told=("a flight that is landed needs it", "airborne_at"), says="cannot be landed",
    ),
    movement(
        "landed before it flew", "landed", OFF_BLOCK,
        {"status": "landed"} | time("actual_arrival", LATER),
        told=("a flight that is landed needs it", "airborne_at"), says="cannot be landed",
    ),
]  # fmt: skip
TIMES = [
    movement(
        "another day's", "off-block", SCHEDULED,
        {"status": "off-block"} | time("actual_departure", MORNING + dt.timedelta(days=3)),
        told=("more than two days from", "actual_departure"),
        instant=MORNING + dt.timedelta(days=3),
    ),
    movement(
        "of the future", "off-block", SCHEDULED,
        {"status": "off-block"} | time("actual_departure", TOMORROW),
        told=("lies in the future", "actual_departure"), instant=TOMORROW,
    ),
    movement(
        "airborne before off-block", "airborne", OFF_BLOCK,
        {"status": "airborne"} | time("airborne_at", MORNING - minutes(1)),
        told=("before the flight went off-block", "airborne_at"), instant=MORNING - minutes(1),
    ),
    movement(
        "landed before airborne", "landed", AIRBORNE,
        {"status": "landed"} | time("actual_arrival", MORNING - minutes(1)),
        told=("before the flight was airborne", "actual_arrival"), instant=MORNING - minutes(1),
    ),
]  # fmt: skip
DELAYS = [
    movement(
        "of a week", "delay", SCHEDULED, {"status": "delayed", "delay_minutes": "10080"},
        told=("ust be -60 to 2880", "delay_minutes"), minutes=10_080,
    ),
    movement(
        "without minutes", "delay", SCHEDULED, {"status": "delayed"},
        told=("delayed flight is late", "delay_minutes"), says="a delay needs it",
    ),
    movement(
        "of one on schedule", "off-block", SCHEDULED, {"delay_minutes": "30"},
        told=("one on schedule is not", "delay_minutes"), minutes=30, says="nothing else has it",
    ),
    movement(
        "of one that landed", "delay", LANDED, {"delay_minutes": "99"},
        told=("its delay cannot change any more", "delay_minutes"), minutes=99,
        says="cannot be delay",
    ),
]  # fmt: skip
OTHERS = [
    Wish(
        "an unknown aircraft", "/flights/1", {"aircraft_id": "N0"}, 409, SCHEDULED,
        {"aircraft": "N0"}, "Select a valid choice", "aircraft", "no aircraft 'N0'", "PATCH",
    ),
    Wish(
        "an old version", "/flights/1", {"gate": "7"}, 412, SCHEDULED,
        {"gate": "7", "version": "9"}, "Someone else changed this", None, "has version 1",
        "PATCH", {"if-match": '"9"'},
    ),
]  # fmt: skip
WISHES = [*GATES, *CANCELLATIONS, *STATES, *BACK, *LEAPS, *TIMES, *DELAYS, *OTHERS]
ONLY_THE_FORM = [
    ({"status": "cancelled"} | time("airborne_at", LATER), OFF_BLOCK, "airborne_at"),
    (time("actual_departure", LATER), SCHEDULED, "actual_departure"),
    ({"airborne_at_0": "", "airborne_at_1": ""}, LANDED, "airborne_at"),
]
"""States that no report can bring about: a cancelled flight that flew, times without a journey."""


@pytest.fixture
def flights(trivet: Application) -> None:
    """A flight in every state, brought there as the airline's reports bring it."""
    ZoneInfo("America/New_York")  # found on the disk here, for the loop may not look
    trivet.run(lambda db: add_flights(db, 6))
    journey = ["off-block", "airborne", "landed"]
    reports = [
        *[(DELAYED, "delay"), (CANCELLED, "cancelled")],
        *[(flight, kind) for flight in (3, 4, 5) for kind in journey[: flight - 2]],
    ]
    trivet.run_as(
        AIRLINE,
        record_movements,
        AIRLINE,
        [
            MovementReport(
                f"{number}", MovementKind(kind), flight, MORNING + minutes(60 + number),
                20 if kind == "delay" else None,
            )
            for number, (flight, kind) in enumerate(reports)
        ],
    )  # fmt: skip


class TestWhatTheApiRefuses:
    @pytest.fixture(autouse=True)
    def nothing_happens(self, trivet: Application, flights: None) -> Any:
        """Whatever a test tries, all stays as it was."""
        self.trivet = trivet
        self.boss = trivet.make_user("boss", is_staff=True, is_superuser=True)
        before = self.everything()
        yield
        assert self.everything() == before

    def everything(self) -> Sequence[Any]:
        def read(db: Session) -> list[Any]:
            tables = ("departures_flight", "departures_movement", "django_admin_log")
            return [tuple(r) for t in tables for r in db.execute(text(f"SELECT * FROM {t}"))]

        entries = [self.trivet.audited(f"departures_{name}") for name in ("flight", "movement")]
        return [self.trivet.run(read), self.trivet.published(), entries]

    def open(self, path: str) -> Page:
        with self.trivet.client(user=self.boss) as client:
            return read_page(client.get(path))

    def send(self, page: Page, **values: Any) -> Page:
        with self.trivet.client(user=self.boss) as client:
            client.get(LIST)  # for the token of the form
            given = {**page.form, **values}
            if "csrftoken" in client.cookies:
                given["csrfmiddlewaretoken"] = client.cookies["csrftoken"]
            return read_page(client.post(page.path, data=given))

    @pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
    def test_at_its_own_door(self, wish: Wish) -> None:
        user = self.trivet.make_user("airline", permissions=PERMISSIONS)
        key = self.trivet.make_key(user)
        with self.trivet.client(key=key) as client:
            path = f"{API}{wish.path}"
            answer = client.request(wish.method, path, json=wish.body, headers=wish.headers)
        assert answer.status_code == wish.status, answer.text
        assert (wish.says or wish.sentence).rstrip(".") in answer.text

    @pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
    def test_in_the_form(self, wish: Wish) -> None:
        page = self.open(f"{LIST}{wish.flight}/change/")
        page = self.send(page, **wish.values)
        assert page.status == 200
        assert wish.sentence in (page.words if wish.at is None else page.error_at(wish.at))
        for name, value in wish.values.items():
            assert page.form[name] == value or name == "aircraft"

    @pytest.mark.parametrize("wish", GATES, ids=lambda wish: wish.name)
    def test_in_the_editable_list(self, wish: Wish) -> None:
        page = self.open(LIST)
        row = next(n for n in range(6) if page.form[f"form-{n}-id"] == str(wish.flight))
        values = {f"form-{row}-gate": wish.values["gate"], "form-0-gate": "7"}
        values |= {f"form-{row}-gate": wish.values["gate"]}
        page = self.send(page, **values, _save="Save")
        assert page.status == 200
        assert wish.sentence in page.words
        assert page.form[f"form-{row}-gate"] == wish.values["gate"]

    @pytest.mark.parametrize("wish", CANCELLATIONS, ids=lambda wish: wish.name)
    def test_in_the_action(self, wish: Wish) -> None:
        page = self.open(LIST)
        chosen = [str(SCHEDULED), str(wish.flight)]
        page = self.send(page, action="cancel_flights", _selected_action=chosen, index="0")
        assert wish.sentence in page.words

    @pytest.mark.parametrize(("values", "flight", "at"), ONLY_THE_FORM)
    def test_and_what_no_report_could_bring_about(
        self, values: dict[str, str], flight: int, at: str
    ) -> None:
        page = self.send(self.open(f"{LIST}{flight}/change/"), **values)
        assert page.status == 200
        assert "has none" in page.error_at(at) or "needs it" in page.error_at(at)

    @pytest.mark.parametrize(
        ("model", "create", "change", "sentence"),
        [
            ("Flight", None, {"pk": LANDED, "gate": "B5"}, KEPT),
            ("Flight", None, {"pk": AIRBORNE, "status": "cancelled"}, "Too late to cancel"),
            ("Movement", {"kind": "delay", "minutes": None}, None, "a delay needs it"),
            ("Movement", {"kind": "landed", "minutes": 3}, None, "nothing else has it"),
            ("Movement", {"kind": "delay", "minutes": 10_080}, None, "must be -60 to 2880"),
            ("Movement", {"reference": "1"}, None, "already a movement with this sender and"),
            ("Movement", None, {"pk": 1, "minutes": 7}, "A report is a record"),
        ],
    )
    def test_in_a_command(self, model: str, create: Any, change: Any, sentence: str) -> None:
        from django.apps import apps
        from django.db import IntegrityError, connections
        from django.db.transaction import atomic

        from trivet_admin.errors.to_form import sentence_of

        objects: Any = apps.get_model("departures", model)._default_manager
        base = {"sender": "airline", "reference": "new", "kind": "landed", "flight_id": 1}

        def work() -> None:
            with atomic():
                if create is not None:
                    objects.create(**base | {"at": MORNING} | create)
                else:
                    values = {name: value for name, value in change.items() if name != "pk"}
                    objects.filter(pk=change["pk"]).update(**values)

        try:
            with pytest.raises((TrivetError, IntegrityError), match=r".+") as caught:
                work()
        finally:
            connections.close_all()
        assert sentence in sentence_of(caught.value)
