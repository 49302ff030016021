"""Which Host headers are ours: by the grammar of RFC 9110 and 3986, and by nothing looser."""

from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from tests.platform.bare import bare_root, mounted

pytestmark = pytest.mark.anyio

NAME, ADDRESS = "https://board.test", "http://localhost:8000"

OURS = [
    (NAME, "board.test", "board.test"),
    (NAME, "board.test:443", "board.test:443"),
    (NAME, "BOARD.Test:8443", "board.test:8443"),
    (NAME, "board.test.", "board.test"),
    (NAME, "board.test.:443", "board.test:443"),
    (NAME, "board.test:", "board.test"),
    (NAME, "board.test:00443", "board.test:443"),
    (NAME, "board.test:65535", "board.test:65535"),
    (ADDRESS, "[::1]:8000", "[::1]:8000"),
    (ADDRESS, "[0:0:0:0:0:0:0:1]", "[::1]"),
    (ADDRESS, "[0000::0001]:1", "[::1]:1"),
    (ADDRESS, "127.0.0.1", "127.0.0.1"),
    (ADDRESS, "LocalHost.", "localhost"),
]
NOT_OURS = [
    (NAME, host)
    for host in (
        "board.test:27111@evil.example",
        "board.test@evil.example",
        "evil.example@board.test",
        "user:pass@board.test",
        "board.test:x",
        "board.test:-1",
        "board.test:+443",
        "board.test:0",
        "board.test:65536",
        "board.test:99999999",
        "board.test:" + "9" * 5000,
        "board.test: 80",
        "board.test :80",
        " board.test",
        "board.test:80:80",
        "board.test:\u0664\u0664\u0663",
        "board.test..",
        ".board.test",
        "board..test",
        ".",
        "",
        ":443",
        "board.test/",
        "board.test/admin",
        "board.test?",
        "board.test#x",
        "board.test\\evil.example",
        "board.test,evil.example",
        "board.test, board.test",
        "board.test\tx",
        "board%2etest",
        "evil.example",
        "board.test.evil.example",
        "x" * 300,
        "[board.test]",
    )
] + [
    (ADDRESS, host)
    for host in (
        "::1",
        "[::1",
        "::1]",
        "[::1]8000",
        "[::1]x:8000",
        "[::1%25lo]",
        "[::1%lo]",
        "[v1.x]",
        "[]",
        "[::2]",
        "[::1]]",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
    )
]


async def host_of(tmp_path: Path, public_url: str, *hosts: str) -> tuple[int, str]:
    """The status, and the Host that the app behind was told."""

    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        text = Request(scope).headers["host"]
        await PlainTextResponse(text)(scope, receive, send)

    root = bare_root(tmp_path, [mounted(tell)], public_url=public_url)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/app/",
        "scheme": "http",
        "headers": [(b"host", host.encode("utf-8")) for host in hosts],
    }
    await root(scope, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()


@pytest.mark.parametrize(("public_url", "given", "told"), OURS)
async def test_every_spelling_of_our_host_is_one_to_those_behind(
    tmp_path: Path, public_url: str, given: str, told: str
) -> None:
    assert await host_of(tmp_path, public_url, given) == (200, told)


@pytest.mark.parametrize(("public_url", "given"), NOT_OURS)
async def test_what_only_looks_like_our_host_is_400(
    tmp_path: Path, public_url: str, given: str
) -> None:
    status, body = await host_of(tmp_path, public_url, given)
    assert status == 400
    assert "unknown-host" in body


@pytest.mark.parametrize(
    "hosts",
    [(), ("board.test", "board.test"), ("board.test", "evil.example"), ("evil.example",) * 2],
)
async def test_a_request_has_exactly_one_host(tmp_path: Path, hosts: tuple[str, ...]) -> None:
    status, _ = await host_of(tmp_path, NAME, *hosts)
    assert status == 400
