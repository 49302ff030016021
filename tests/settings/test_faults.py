"""Faults of a configuration: which variable, what is wrong, what cures it, and no secret told."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from annotated_types import Le

from trivet_settings import Settings, SettingsError, load_settings

SECRET = "k" * 40


@dataclass(frozen=True)
class Scenario:
    """One wrong variable, and what its only fault must and must not say."""

    name: str
    variable: str
    value: str
    says: tuple[str, ...]
    hides: tuple[str, ...] = ()


SCENARIOS = (
    Scenario(
        "a short secret", "SECRET_KEY", "hunter2", ("at least 32", "trivet secret"), ("hunter2",)
    ),
    Scenario("a misspelt name", "FEATUERS", "departures", ("Did you mean TRIVET_FEATURES?",)),
    Scenario("a name like no other", "QQQQ", "1", ("is no setting", "trivet check --settings")),
    Scenario("no number", "POLL_SECONDS", "often", ("valid number", "TRIVET_POLL_SECONDS=1.0")),
    Scenario("a number too small", "POLL_SECONDS", "0", ("greater than 0", "seconds")),
    Scenario("a time without an end", "HISTORY_HOURS", "inf", ("less than or equal", "hours")),
    Scenario("more time than there is", "SESSION_HOURS", "1e300", ("less than or equal", "hours")),
    Scenario("an unknown room", "ROOMS", "api,kitchen", ("'realtime'", "api,admin,realtime")),
    Scenario("no room", "ROOMS", "[]", ("would serve nothing",)),
    Scenario("a log format", "LOG_FORMAT", "xml", ("'console' or 'json'",)),
    Scenario("a URL without a scheme", "PUBLIC_URL", "board.example.org", ("http:// or https://",)),
    Scenario("a URL with a port too high", "PUBLIC_URL", "http://a:70000", ("65535",)),
    Scenario(
        "a URL with a password",
        "PUBLIC_URL",
        "https://u:geheim@a/",
        ("only a scheme",),
        ("geheim",),
    ),
    Scenario(
        "another database",
        "DATABASE_URL",
        "mysql://u:geheim@h/d",
        ("sqlite:///", "postgresql://"),
        ("geheim", "mysql"),
    ),
    Scenario(
        "a driver", "DATABASE_URL", "postgresql+asyncpg://u:geheim@h/d", ("driver",), ("geheim",)
    ),
    Scenario("no address", "DATABASE_URL", "geheim", ("is not a database address",), ("geheim",)),
    Scenario("two slashes", "DATABASE_URL", "sqlite://file", ("three",)),
    Scenario("in memory", "DATABASE_URL", "sqlite:///:memory:", ("in-memory",)),
    Scenario("SQLite with options", "DATABASE_URL", "sqlite:///f?mode=ro", ("takes none",)),
    Scenario("no database name", "DATABASE_URL", "postgresql://h", ("one database",)),
    Scenario("no port", "DATABASE_URL", "postgresql://h:x/d", ("a port",)),
    Scenario("a bad second port", "DATABASE_URL", "postgresql://h:1,i:70000/d", ("a port",)),
    Scenario("a pooler for a file", "DATABASE_POOLER", "session", ("SQLite",)),
    Scenario("no such pooler", "DATABASE_POOLER", "statement", ("'transaction'",)),
    Scenario("a file past the pooler", "DIRECT_DATABASE_URL", "sqlite:///x", ("SQLite",)),
    Scenario("replicas of a file", "REPLICA_URLS", "postgresql://h/d", ("SQLite has none",)),
    Scenario("a file as a replica", "REPLICA_URLS", "sqlite:///x", ("SQLite file",)),
    Scenario(
        "replicas in one address",
        "REPLICA_URLS",
        "postgresql://u:geheim@h,i/d",
        ("one for each server",),
        ("geheim",),
    ),
    Scenario(
        "a replica twice",
        "REPLICA_URLS",
        "postgresql://h/d, postgresql://i:1/d,postgresql://h/d",
        ("names a replica twice",),
    ),
    Scenario("no wait at all", "REPLICA_WAIT_SECONDS", "-1", ("greater than or equal to 0",)),
    Scenario("a lag of hours", "REPLICA_LAG_SECONDS", "7200", ("600",)),
    Scenario("too many ports", "DATABASE_URL", "postgresql:///d?host=h&port=1,2", ("of ports",)),
    Scenario(
        "an unknown option",
        "DATABASE_URL",
        "postgresql://h/d?sslmodes=geheim",
        ("an option", "sslmode?"),
        ("geheim",),
    ),
    Scenario("an observer without a function", "OBSERVERS", "shop.metrics", ("module:function",)),
    Scenario("a feature that is a path", "FEATURES", "shop/orders", ("dotted name",)),
    Scenario("features of one name", "FEATURES", "a.orders,b.orders", ("last parts are the same",)),
    Scenario("classes of one name", "FEATURES", "orders,orders=b.c", ("last parts are the same",)),
    Scenario("a name with dots", "FEATURES", "a.b=c", ("nor name=package",)),
    Scenario("mounts that are no JSON", "EXTRA_MOUNTS", "/a=b", ("valid JSON", '{"/legacy"')),
    Scenario("mounts that are no object", "EXTRA_MOUNTS", "[]", ("should be a valid dictionary",)),
    Scenario("a mount at the root", "EXTRA_MOUNTS", '{"/": "asgi:a:b"}', ("never / alone",)),
    Scenario(
        "a mount on a room", "EXTRA_MOUNTS", '{"/api/x": "asgi:a:b"}', ("Trivet uses itself",)
    ),
    *(
        Scenario(f"a mount at {prefix}", "EXTRA_MOUNTS", f'{{"{prefix}": "asgi:a:b"}}', (says,))
        for prefix, says in {
            "/../x": "no . or .. alone",
            "/a/./b": "no . or .. alone",
            "/x/": "no trailing slash",
            "//x": "single slashes",
            "/x?y": "letters, digits",
            "/%2e": "letters, digits",
            "/admin": "Trivet uses itself",
            "/ws/y": "Trivet uses itself",
            "/static": "Trivet uses itself",
        }.items()
    ),
    Scenario(
        "a prefix twice",
        "EXTRA_MOUNTS",
        '{"/x": "asgi:a:b", "/x": "asgi:c:d"}',
        ("two entries of the same name",),
    ),
    *(
        Scenario(f"{name} that no header carries", name, value, ("cannot be sent", "--print"))
        for name in ("SERVER_API_KEYS", "CENTRIFUGO_SECRET", "CENTRIFUGO_API_KEY")
        for value in (f"é{SECRET}", f"a {SECRET}")
    ),
    *(
        Scenario(f"a public path {path}", "PUBLIC_URL", f"https://a{path}", ("like /board",))
        for path in ("/a b", "/a/../b", "//a", "/caf%C3%A9", "/é")
    ),
    Scenario("a home that is where one is", "HOME", "/", ("itself for ever", "/departures/")),
    Scenario("a home above the root", "HOME", "/../x", ("no path on this site",)),
    Scenario("a store without a host", "THROTTLE_STORE", "redis://", ("names no host",)),
    Scenario("a store at no port", "THROTTLE_STORE", "redis://a:x", ("a port",)),
    Scenario("a Centrifugo nowhere", "CENTRIFUGO_API_URL", "http://", ("names no host",)),
    Scenario("a Centrifugo at no port", "CENTRIFUGO_API_URL", "http://a:x/api", ("a port",)),
    Scenario("a Centrifugo and a query", "CENTRIFUGO_API_URL", "http://a/api?b", ("a query",)),
    Scenario("a target of no kind", "EXTRA_MOUNTS", '{"/a": "a:b"}', ("asgi:module:attribute",)),
    Scenario(
        "a policy that is none",
        "MOUNT_POLICIES",
        '{"/legacy": "everybody"}',
        ("none of public, authenticated, staff, its-own and no app.permission",),
    ),
    Scenario(
        "an outcome that is no refusal",
        "MOUNT_COMMITS_ON",
        '{"/legacy": [401, 500]}',
        ("no refusal (400 to 499)", '{"/accounts": [401, 409]}'),
    ),
    Scenario("no outcome at all", "MOUNT_COMMITS_ON", '{"/legacy": []}', ("no refusal",)),
    Scenario("a proxy by name", "TRUSTED_PROXIES", "10.0.0.0/8,nginx", ("no IP address",)),
)


@pytest.fixture(autouse=True)
def no_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIVET_SECRET_KEY", SECRET)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_wrong_value_is_one_fault_with_variable_and_cure(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TRIVET_{scenario.variable}", scenario.value)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert [fault.variable for fault in caught.value.faults] == [f"TRIVET_{scenario.variable}"]
    text = str(caught.value)
    assert caught.value.faults[0].cure
    for words in scenario.says:
        assert words in text
    for words in (*scenario.hides, SECRET):
        assert words not in text


def test_all_faults_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIVET_SECRET_KEY")
    monkeypatch.setenv("TRIVET_DJANGO_THREADS", "none")
    monkeypatch.setenv("TRIVET_LOGFORMAT", "json")

    with pytest.raises(SettingsError) as caught:
        load_settings(publicurl="http://a")

    assert {fault.variable for fault in caught.value.faults} == {
        "TRIVET_SECRET_KEY",
        "TRIVET_DJANGO_THREADS",
        "TRIVET_LOGFORMAT",
        "TRIVET_PUBLICURL",
    }


def test_several_bad_items_of_one_list_are_one_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIVET_ROOMS", "kitchen,cellar")

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert len(caught.value.faults) == 1


def test_the_cause_of_a_fault_does_not_carry_what_was_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRIVET_SECRET_KEY", "hunter2")

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_every_time_has_an_upper_bound() -> None:
    """An endless one would be a fault of arithmetic where it is used, and not of the setting."""
    without = [
        name
        for name, field in Settings.model_fields.items()
        if field.annotation is float and not any(isinstance(each, Le) for each in field.metadata)
    ]
    assert without == []
