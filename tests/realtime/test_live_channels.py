"""The module for pages, `live.js`: its subscriptions, in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Error, Page

from tests.realtime.scripted import (
    SUBSCRIBED,
    Scripted,
    browser,
    connect,
    ping,
    publication,
    recovery,
    server,
)

__all__ = ["browser", "server"]

NOTED = """live.subscribe("a:1", {
    status: note("status"), publication: note("pub"), gap: note("gap"),
})"""


def noted(*offsets: int) -> list[tuple[str, str]]:
    return [("pub", f"n{offset}") for offset in offsets]


def test_each_publication_is_given_once_and_in_order(server: Scripted) -> None:
    connection = connect(server, then=NOTED)
    server.until_log(("status", "subscribed"))
    connection.publish("a:2", 1)  # nobody here asked for it
    connection.publish("a:1", 1, 2, 2, 1, 3)
    connection.push("a:1", pub={"data": "ephemeral"})
    connection.publish("a:1", 4)
    server.until_log(*noted(1, 2, 3), ("pub", "ephemeral"), *noted(4))


def test_a_push_behind_the_reply_in_one_frame_is_not_lost(server: Scripted) -> None:
    def reply(command: Any) -> Iterator[Any]:
        yield {"id": command["id"], "subscribe": {**SUBSCRIBED, "offset": 5}}
        yield {"push": {"channel": "a:1", "pub": publication(6)}}

    server.replies["subscribe"] = [reply]
    connect(server, then=NOTED)
    server.until_log(("status", "subscribed"), *noted(6))


def test_a_hole_is_filled_from_the_history(server: Scripted) -> None:
    connection = connect(server, then=NOTED)
    server.until_log(("status", "subscribed"))
    server.replies["subscribe"] = [recovery(2, 3, 4)]
    connection.publish("a:1", 1, 4, 5)  # what is behind the hole belongs to the history, too
    server.until_log(*noted(1, 2, 3, 4))
    connection.publish("a:1", 4, 5)
    server.until_log(*noted(5))
    assert connection.frames[1:] == [
        [
            {"id": 3, "unsubscribe": {"channel": "a:1"}},
            {"id": 4, "subscribe": {"channel": "a:1", "recover": True, "epoch": "e", "offset": 1}},
        ]
    ]


def test_where_rows_are_kept_from_the_reader_a_gap_is_no_hole(server: Scripted) -> None:
    server.replies["subscribe"] = [{**SUBSCRIBED, "positioned": False}]
    connection = connect(server, then=NOTED)
    server.until_log(("status", "subscribed"))
    connection.publish("a:1", 2, 1, 40)
    server.until_log(*noted(2, 40))
    server.replies["subscribe"] = [recovery(41)]
    count = server.count()
    connection.close(3001)
    server.pass_until(server.count, count + 1)
    server.until_log(("status", "subscribing"), *noted(41), ("status", "subscribed"))
    assert len(connection.frames) == 1
    assert server.newest.asked("subscribe")[-1]["offset"] == 40


def test_what_was_missed_is_recovered_or_told_to_be_lost(server: Scripted) -> None:
    connection = connect(server, then=NOTED)
    connection.publish("a:1", 1, 2)
    server.until_log(("status", "subscribed"), *noted(1, 2))
    for reply, told in (
        (recovery(3, 4), noted(3, 4)),
        (recovery(9, recovered=False), [("gap",)]),
        (recovery(10), noted(10)),
    ):
        server.replies["subscribe"] = [reply]
        count = server.count()
        connection.close(3001)
        server.pass_until(server.count, count + 1)
        connection = server.newest
        server.until_log(("status", "subscribing"), *told, ("status", "subscribed"))


def test_an_unsubscribe_says_whether_it_is_asked_again(server: Scripted) -> None:
    connection = connect(server, then=NOTED)
    connection.publish("a:1", 1)
    server.until_log(("status", "subscribed"), *noted(1))
    for code, since in ((2500, 1), (2501, 1), (2502, None)):
        server.replies["subscribe"] = [recovery()] if since else []
        asked = len(connection.asked("subscribe"))
        connection.push("a:1", unsubscribe={"code": code, "reason": "why"})
        server.pass_until(lambda: len(connection.asked("subscribe")), asked + 1)
        assert connection.asked("subscribe")[-1].get("offset") == since
        gap = [] if since else [("gap",)]
        server.until_log(("status", "subscribing"), *gap, ("status", "subscribed"))
    connection.push("a:1", unsubscribe={"code": 2000, "reason": "why"})
    server.until_log(("status", "ended", 2000))
    assert server.page.evaluate("live.status") == "connected"


LOOP = """(async () => {
    try {
        for await (const { data } of subscription) {
            log.push(["loop", data]);
            if (data === "n4") break;
        }
        log.push(["left"]);
    } catch (error) { log.push(["thrown", error.code]) }
})()"""


def test_a_loop_has_each_in_turn_and_ends_with_the_subscription(server: Scripted) -> None:
    connection = connect(server, then="window.subscription = live.subscribe('a:1')")
    connection.publish("a:1", 1, 2)
    server.until(lambda: server.page.evaluate("subscription.status") == "subscribed")
    server.page.evaluate(f"void {LOOP}")  # what came before it is there
    connection.publish("a:1", 3, 4, 5)
    server.until_log(("loop", "n1"), ("loop", "n2"), ("loop", "n3"), ("loop", "n4"), ("left",))
    server.until(lambda: connection.asked("unsubscribe") == [{"channel": "a:1"}])

    server.page.evaluate(f"window.subscription = live.subscribe('a:1'); void {LOOP}")
    server.page.evaluate("subscription.close()")
    server.until_log(("left",))

    server.page.evaluate(f"window.subscription = live.subscribe('a:1'); void {LOOP}")
    server.until(lambda: server.page.evaluate("subscription.status") == "subscribed")
    connection.publish("a:1", 1)
    server.replies["subscribe"] = [recovery(9, recovered=False)]
    connection.push("a:1", unsubscribe={"code": 2500, "reason": "why"})
    server.until_log(("loop", "n1"), ("thrown", 112))


def test_a_fault_of_the_page_disturbs_nobody_and_is_reported(server: Scripted) -> None:
    reported: list[str] = []
    server.page.on("pageerror", lambda error: reported.append(str(error)))
    faulty = """live.subscribe("a:2", {
        status() { throw new Error("of status") }, publication() { throw new Error("of data") },
    });"""
    connection = connect(server, then=faulty + NOTED)
    connection.publish("a:2", 1)
    connection.publish("a:1", 1)
    server.until_log(("status", "subscribed"), *noted(1))
    server.until(lambda: len(reported) == 2)
    assert reported == ["of status", "of data"]


STATE = """window.position = 5;
window.subscription = live.state("a:1", {
    async snapshot(signal) {
        log.push(["asked"]);
        if (window.wait) await new Promise((resolve) => window.resolve = resolve);
        if (position === null) throw new Error("away");
        return { epoch: "e", offset: position };
    },
    show: ({ offset }) => log.push(["shown", offset]),
    publication: note("pub"),
    status: note("status"),
})"""


def test_a_state_goes_on_from_its_snapshot_and_is_read_anew_when_that_is_no_more(
    page: Page, server: Scripted
) -> None:
    unrecoverable = {"error": {"code": 112, "message": "unrecoverable position"}}
    server.replies["subscribe"] = [recovery(6, 7)]
    connection = connect(server, then=STATE)
    server.until_log(("asked",), ("shown", 5), *noted(6, 7), ("status", "subscribed"))
    since = {"recover": True, "epoch": "e", "offset": 5, "flag": 2}
    assert connection.asked("subscribe") == [{"channel": "a:1", **since}]

    page.evaluate("position = 20")
    older = recovery(20, recovered=False)  # as a server says it that does not know the flag
    server.replies["subscribe"] = [unrecoverable, unrecoverable, older, recovery(21)]
    connection.close(3001)
    server.pass_until(lambda: not server.replies["subscribe"])
    again = [("asked",), ("shown", 20)] * 3
    server.until_log(("status", "subscribing"), *again, *noted(21), ("status", "subscribed"))

    connection = server.newest
    page.evaluate("position = null")
    server.replies["subscribe"] = [recovery(41)]
    connection.push("a:1", unsubscribe={"code": 2502, "reason": "why"})
    server.pass_until(lambda: ["asked"] in page.evaluate("log"))
    page.evaluate("position = 40")
    server.pass_until(lambda: not server.replies["subscribe"])
    told = [("status", "subscribing"), ("asked",), ("asked",), ("shown", 40)]
    server.until_log(*told, *noted(41), ("status", "subscribed"))


def test_a_state_is_refreshed_while_it_goes_on(page: Page, server: Scripted) -> None:
    server.replies["subscribe"] = [recovery()]
    connection = connect(server, then=STATE)
    server.until_log(("asked",), ("shown", 5), ("status", "subscribed"))
    page.evaluate("window.wait = true; subscription.refresh(); subscription.refresh()")
    connection.publish("a:1", 6, 7)
    server.until_log(("asked",), *noted(6, 7))
    server.replies["subscribe"] = [recovery(7, 8)]
    page.evaluate("position = 6; resolve()")
    connection.publish("a:1", 8)  # before the server has heard of it
    # A snapshot that is older than what is shown takes it back, and the rest follows again.
    server.until_log(("shown", 6), *noted(7, 8))
    connection.publish("a:1", 9)
    server.until_log(*noted(9))


def test_an_answer_that_comes_too_late_counts_no_more(page: Page, server: Scripted) -> None:
    """A subscription that was given up: what it is told is in the history that the next one has."""
    late: list[Any] = []

    def say_nothing(command: Any) -> Iterator[Any]:
        late.append(command)
        yield from ()

    server.replies["subscribe"] = [say_nothing, say_nothing]
    connection = connect(server, then=STATE)
    server.until(lambda: late)
    page.evaluate("position = 6; subscription.refresh()")
    server.until(lambda: len(late), 2)
    server.until_log(("asked",), ("shown", 5), ("asked",), ("shown", 6))
    connection.say(*recovery(6, 7)(late[0]), {"push": {"channel": "a:1", "pub": publication(8)}})
    connection.say(*recovery(7, 8)(late[1]))
    server.until_log(*noted(7, 8), ("status", "subscribed"))


def test_an_old_snapshot_that_comes_too_late_counts_no_more(page: Page, server: Scripted) -> None:
    server.replies["subscribe"] = [recovery()]
    connect(server, then=f"window.wait = true; {STATE}")
    server.until_log(("asked",))
    page.evaluate("window.first = resolve; subscription.close()")
    server.until_log(("status", "ended"))
    page.evaluate(f"window.wait = false; {STATE}")
    server.until_log(("asked",), ("shown", 5), ("status", "subscribed"))
    page.evaluate("position = 4; first()")
    server.newest.publish("a:1", 6)
    server.until_log(*noted(6))


def test_what_is_asked_and_not_answered_ends_the_connection(page: Page, server: Scripted) -> None:
    server.replies["subscribe"] = [lambda _command: iter(())]
    connection = connect(server, then=NOTED)
    page.clock.run_for(6_000)
    ping(server, connection)  # it is not silent
    page.clock.run_for(4_000)
    server.pass_until(server.count, 2)
    server.until_log(("status", "subscribed"))


def test_a_snapshot_that_does_not_come_is_asked_for_again(page: Page, server: Scripted) -> None:
    server.replies["subscribe"] = [recovery()]
    connect(
        server,
        then="""live.state("a:1", {
            snapshot: (signal) => new Promise((resolve, reject) => {
                if (window.asked) resolve({ epoch: "e", offset: 1 });
                window.asked = true;
                signal.onabort = () => reject(signal.reason);
            }),
            show: () => log.push(["shown"]), publication: note("pub"),
        })""",
    )
    page.clock.run_for(30_000)
    server.pass_until(lambda: page.evaluate("log"), [["shown"]])


def test_a_state_without_what_it_needs_says_what(page: Page, server: Scripted) -> None:
    connect(server)
    with pytest.raises(Error, match=r"TypeError: state\(\) needs show\(\)"):
        page.evaluate("live.state('a:1', { async snapshot() {} })")
    page.evaluate(
        """() => live.state("a:1", {
            snapshot: async () => ({ rows: [] }), show() {}, publication() {},
            status: note("status"),
        })"""
    )
    server.until_log(("status", "ended", "TypeError"))


def test_an_end_that_nobody_listens_to_is_in_the_console(page: Page, server: Scripted) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    server.replies["subscribe"] = [{"error": {"code": 102, "message": "unknown channel"}}]
    connect(server, then="live.subscribe('a:1', { publication() {} })")
    server.until(lambda: said)
    assert said == ["The subscription to a:1 has ended: 102 unknown channel"]
