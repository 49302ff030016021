"""Behind nginx with kept connections and two workers, nobody's good request is a 502."""

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import httpx2
import pytest

from tests.deploy.refused_requests import FAULTS, REFUSALS, TOO_MUCH
from tests.edge.conftest import Way
from tests.edge.requests import BODY
from tests.services.people import People

pytestmark = pytest.mark.once
ROUNDS = 6
GOOD = 150


@pytest.fixture(params=["nginx-tcp", "nginx-unix"])
def proxied_way(request: pytest.FixtureRequest, ways: dict[str, Way]) -> Way:
    return ways[request.param]


def test_a_bad_request_never_costs_somebody_else_a_good_one(
    proxied_way: Way, people: People
) -> None:
    assert isinstance(proxied_way.address, tuple)
    url = f"http://127.0.0.1:{proxied_way.address[1]}"
    with ThreadPoolExecutor(6) as pool:
        offending = [pool.submit(_offend, url, people) for _ in range(3)]
        behaving = [pool.submit(_behave, url) for _ in range(3)]
        offences = sum((each.result() for each in offending), Counter[int]())
        answers = sum((each.result() for each in behaving), Counter[int]())
    assert answers == {200: 3 * GOOD}
    assert offences[502] == offences[504] == 0, offences
    assert set(offences) >= {400, 401, 404, 405, 409, 413, 422, 500, 503}


def _client(url: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, timeout=60, trust_env=False, headers={"host": "localhost"})


def _behave(url: str) -> Counter[int]:
    with _client(url) as client:
        paths = islice(cycle(("/healthz", "/api/", "/departures/", "/api/openapi.json")), GOOD)
        return Counter(client.get(path).status_code for path in paths)


def _offend(url: str, people: People) -> Counter[int]:
    seen: Counter[int] = Counter()
    with _client(url) as client:
        for method, path, headers, body in _offences(people):
            try:
                answer = client.request(method, path, headers=headers, content=body)
            except httpx2.TransportError:
                # nginx passes the 413 on and hangs up on the rest of this very body.
                assert body is TOO_MUCH
                seen[413] += 1
            else:
                seen[answer.status_code] += 1
    return seen


def _offences(
    people: People,
) -> Iterator[tuple[str, str, Mapping[str, str], bytes | None]]:
    for _ in range(ROUNDS):
        for status, method, path, given, body in REFUSALS:
            if "login" in path and status != 413:
                continue  # the throttle would answer for the rest of the run
            headers = {name: text.format(key=people.keys["bob"]) for name, text in given.items()}
            yield method, path, headers, body
        for method, path, _message, body in FAULTS:
            yield method, path, {"content-type": "application/json"} if body else {}, body
        yield "POST", "/api/mishaps/names", {"content-type": "text/plain"}, BODY
