"""The module for pages, `live.js`: its connections, in a real browser."""

import pytest
from playwright.sync_api import Error, Page

from tests.realtime.scripted import (
    AGES_MS,
    CONNECTED,
    Scripted,
    browser,
    connect,
    open_page,
    ping,
    server,
)

__all__ = ["browser", "server"]


def test_it_finds_the_sockets_of_the_site_that_it_came_from(page: Page) -> None:
    server = Scripted(page)
    for origin, prefix, options, expected in (
        ("https://house.test", "", "{}", "wss://house.test/ws"),
        ("https://house.test:8443", "/a/b", "{}", "wss://house.test:8443/a/b/ws"),
        ("http://house.test", "/outer", "{}", "ws://house.test/outer/ws"),
        ("https://house.test", "/outer", "{url: '/ws'}", "wss://house.test/ws"),
        ("https://house.test", "", "{url: 'http://far.test/ws'}", "ws://far.test/ws"),
    ):
        open_page(page, origin, prefix)
        assert connect(server, options).url == expected


def test_everything_that_is_to_be_said_at_the_beginning_is_one_frame(server: Scripted) -> None:
    connection = connect(
        server,
        '{ token: "t", data: { a: 1 }, name: "me" }',
        """for (const name of ["a:1", "a:2"]) live.subscribe(name, { publication: note(name) });
        live.subscribe("a:3", { publication: note("a:3"), since: { epoch: "e", offset: 7 } });""",
    )
    since = {"recover": True, "epoch": "e", "offset": 7}
    assert connection.frames == [
        [
            {"id": 1, "connect": {"token": "t", "data": {"a": 1}, "name": "me"}},
            {"id": 2, "subscribe": {"channel": "a:1"}},
            {"id": 3, "subscribe": {"channel": "a:2"}},
            {"id": 4, "subscribe": {"channel": "a:3", **since}},
        ]
    ]
    with pytest.raises(Error, match="a:1 has a subscription already"):
        server.page.evaluate("live.subscribe('a:1')")


COMES_BACK = (1006, 3001, 3499, 4000, 4499, 5000)
FINAL = (1009, 3500, 3501, 3999, 4500, 4999)
WATCHED = "live.subscribe('a:1', { status: note('a:1'), publication: note('pub') })"


def test_a_code_says_whether_it_comes_back(server: Scripted) -> None:
    for code in COMES_BACK:
        connection = connect(server, "{ status: note('status') }", WATCHED)
        server.until_log(("status", "connected"), ("a:1", "subscribed"))
        count = server.count()
        connection.close(code)
        server.until_log(("a:1", "subscribing"), ("status", "connecting"))
        server.pass_until(server.count, count + 1)
        again = server.until_connected(count + 1)
        server.until_log(("status", "connected"), ("a:1", "subscribed"))
        since = {"recover": True, "epoch": "e", "offset": 0}
        assert again.asked("subscribe") == [{"channel": "a:1", **since}]
        server.page.evaluate("live.close()")
        server.until_log(("status", "ended"), ("a:1", "ended"))
    for code in FINAL:
        connection = connect(server, "{ status: note('status') }", WATCHED)
        server.until_log(("status", "connected"), ("a:1", "subscribed"))
        count = server.count()
        connection.close(code)
        server.until_log(("status", "ended", code), ("a:1", "ended", code))
        server.page.evaluate("dispatchEvent(new Event('online'))")
        server.page.clock.run_for(AGES_MS)
        assert server.count() == count, code


TOKENS = "token: async () => `t${tokens++}`"


def test_an_error_says_whether_it_is_asked_again(server: Scripted) -> None:
    """To connect and to subscribe, with a token that can be had anew and with one that cannot."""
    server.page.evaluate("window.tokens = 1")
    for method, token, code, temporary, comes_back in (
        ("connect", "", 100, True, True),
        ("connect", "", 3, False, True),
        ("connect", "", 101, False, False),
        ("connect", "token: 'old'", 109, False, False),
        ("connect", TOKENS, 109, False, True),
        ("connect", TOKENS, 103, False, False),
        ("subscribe", "", 111, True, True),
        ("subscribe", "", 103, False, False),
        ("subscribe", "", 109, False, False),
        ("subscribe", TOKENS, 109, False, True),
        ("subscribe", TOKENS, 102, False, False),
    ):
        error = {"error": {"code": code, "message": "no", "temporary": temporary}}
        server.replies[method] = [error]
        told = "{ status: note('status'), publication() {}, %s }"
        options, subscribing = (token, "") if method == "connect" else ("", token)
        server.page.evaluate(
            f"""() => {{
                window.live?.close();
                log.splice(0);
                window.live = module.connect({{ {options} }});
                live.subscribe("a:1", {told % subscribing});
            }}"""
        )
        server.pass_until(lambda: server.page.evaluate("log.length"))
        asked = [each for c in server.connections for each in c.asked(method)]
        if comes_back:
            server.until_log(("status", "subscribed"))
            first, second = asked[-2:]
            assert (first.get("token") != second.get("token")) == bool(token), (method, code)
        else:
            server.until_log(("status", "ended", code))


def test_a_token_that_nobody_can_get_is_not_asked_for_again(server: Scripted) -> None:
    for token, code in (("() => ''", 101), ("() => { throw new module.LiveError(7, 'gone') }", 7)):
        server.page.evaluate(f"module.connect({{ token: {token}, status: note('status') }})")
        server.until_log(("status", "ended", code))
    server.page.evaluate(
        """() => {
            let times = 0;
            const token = async () => { if (++times < 3) throw new Error("away"); return "t"; };
            window.live = module.connect({ token, status: note("status") });
        }"""
    )
    server.pass_until(lambda: server.connections)
    server.until_log(("status", "connected"))
    assert server.newest.asked("connect")[0]["token"] == "t"


def test_a_token_is_renewed_before_it_ends(server: Scripted) -> None:
    server.page.evaluate("window.tokens = 1")
    server.replies["connect"] = [{**CONNECTED, "expires": True, "ttl": 60}]
    server.replies["refresh"] = [{"expires": True, "ttl": 60}, {"expires": True, "ttl": 60}]
    connection = connect(server, f"{{ {TOKENS} }}")
    for number in (1, 2):
        for _ in range(3):
            server.page.clock.run_for(20_000)
            ping(server, connection)  # or it would be dead
        server.until(lambda: len(connection.asked("refresh")), number)
        ping(server, connection)  # what was said before has been heard then
    assert connection.asked("refresh") == [{"token": "t2"}, {"token": "t3"}]
    assert len(server.connections) == 1


PAUSES = """(random) => {
    window.live?.close();
    window.pauses = [];
    window.timer ??= setTimeout;
    window.setTimeout = (call, ms) => {
        if (ms !== 10_000 && ms < 30_000) pauses.push(ms); // not those that wait to hear something
        return timer(call, ms);
    };
    Math.random = () => random;
}"""


def test_pauses_are_random_and_grow_to_a_bound(page: Page, server: Scripted) -> None:
    page.route_web_socket("wss://away.test/ws", lambda route: route.close(code=1001))
    for random, expected in (
        (0, [500] * 8),
        (0.5, [750, 1_000, 1_500, 2_500, 4_500, 8_500, 10_500, 10_500]),
        (1, [1_000, 1_500, 2_500, 4_500, 8_500, 16_500, 20_000, 20_000]),
    ):
        page.evaluate(PAUSES, random)
        page.evaluate("window.live = module.connect({ url: 'wss://away.test/ws' })")
        for count in range(1, len(expected) + 1):
            server.until(lambda: page.evaluate("pauses.length"), count)
            page.clock.run_for(page.evaluate("pauses.at(-1)"))
        assert page.evaluate("pauses")[: len(expected)] == expected


def test_pauses_begin_anew_after_a_connection_that_held(page: Page, server: Scripted) -> None:
    page.evaluate(PAUSES, 1)
    connection = connect(server)
    for count in range(2, 5):
        connection.close(3001)
        server.pass_until(server.count, count)
        connection = server.until_connected(count)
    assert page.evaluate("pauses") == [1_000] * 3


def test_a_network_or_a_visitor_that_comes_back_ends_the_pause(
    page: Page, server: Scripted
) -> None:
    connection = connect(server, "{ status: note('status') }")
    for event in ("online", "visibilitychange"):
        connection.close(3001)
        server.until(lambda: page.evaluate("live.status") == "connecting")
        count = server.count()
        page.evaluate(f"document.dispatchEvent(new Event('{event}', {{ bubbles: true }}))")
        connection = server.until_connected(count + 1)


def test_silence_is_the_end_of_a_connection_and_pings_are_answered(
    page: Page, server: Scripted
) -> None:
    connection = connect(server, "{ status: note('status') }")
    for _ in range(4):
        page.clock.run_for(34_000)
        ping(server, connection)
    server.until_log(("status", "connected"))
    page.clock.run_for(34_900)
    assert page.evaluate("live.status") == "connected"
    page.clock.run_for(200)
    server.until_log(("status", "connecting"))


def test_a_network_that_goes_is_believed_before_the_socket_is(page: Page, server: Scripted) -> None:
    connect(server, "{ status: note('status') }")
    page.evaluate("dispatchEvent(new Event('offline'))")
    server.until_log(("status", "connected"), ("status", "connecting"))
