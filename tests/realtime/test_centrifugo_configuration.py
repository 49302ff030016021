"""Centrifugo's configuration: what stands in it for whom, and what is said of the rest."""

from pathlib import Path
from typing import Any

import pytest

from tests.platform.token_keys import EC_KEY, RSA_KEY, pem
from tests.realtime.house import FEATURES
from tests.services.databases import SECRET_KEY
from trivet.errors import ConfigurationError
from trivet.features import load_features, modules_of
from trivet.identity.policy import authenticated, public, staff
from trivet_realtime.centrifugo.configuration import Configuration, configure
from trivet_realtime.channels import ChannelRules, collect_rules
from trivet_realtime.client_calls import ClientCalls, collect_calls
from trivet_realtime.namespaces import Namespace
from trivet_settings import load_settings

SETTINGS: Any = {
    "database_url": "postgresql://ada:secret@db/house",
    "secret_key": SECRET_KEY,
    "centrifugo_secret": "a-secret-that-centrifugo-and-the-tests-know",
    "centrifugo_api_url": "http://centrifugo:8000/api",
    "centrifugo_api_key": "a-key-of-centrifugo-that-opens-nothing-here",
}
ADDRESS = "http://trivet:8000/"


def of_tests(**settings: Any) -> Configuration:
    """For the features of these tests."""
    modules = {
        feature.name: module for feature, module in modules_of(load_features(FEATURES), "realtime")
    }
    return made(collect_rules(modules), collect_calls(modules), **settings)


def made(rules: ChannelRules, calls: ClientCalls | None = None, **settings: Any) -> Configuration:
    given = load_settings(env_file=None, **{**SETTINGS, **settings})
    return configure(given, rules, calls or ClientCalls(), address=ADDRESS)


def namespace_of(namespace: Namespace, **settings: Any) -> Any:
    """The options of one namespace."""
    options = made(ChannelRules({"ships": []}, {"ships": namespace}), **settings).options
    ((_, found),) = [(each["name"], each) for each in options["channel"]["namespaces"]]
    return found


def proxies(options: Any) -> dict[str, Any]:
    """Where each question is asked."""
    return {
        **options["client"]["proxy"],
        **options["channel"]["proxy"],
        "rpc": options["rpc"]["proxy"],
    }


def test_every_question_is_asked_here_with_the_secret() -> None:
    options = of_tests().options
    asked = proxies(options)
    assert asked.keys() == {"connect", "refresh", "subscribe", "sub_refresh", "publish", "rpc"}
    for method, proxy in asked.items():
        assert proxy["endpoint"] == f"http://trivet:8000/ws/centrifugo/{method}"
        assert proxy["http"]["static_headers"] == {
            "X-Centrifugo-Secret": SETTINGS["centrifugo_secret"]
        }
        assert proxy["http_headers"] == ["cookie", "authorization"]
        assert proxy["include_connection_meta"] is True
    assert asked["connect"]["enabled"]
    assert asked["refresh"]["enabled"]


def test_clients_find_everything_where_it_was() -> None:
    options = of_tests().options
    assert options["websocket"]["handler_prefix"] == "/ws"
    assert options["sse"] == {"enabled": True, "handler_prefix": "/ws/sse"}
    assert options["http_stream"] == {"enabled": True, "handler_prefix": "/ws/http_stream"}
    assert options["emulation"]["handler_prefix"] == "/ws/emulation"
    assert options["http_api"] == {"key": SETTINGS["centrifugo_api_key"]}


def test_namespaces_and_functions_are_those_of_the_features() -> None:
    options = of_tests().options
    namespaces = {each["name"]: each for each in options["channel"]["namespaces"]}
    assert namespaces.keys() == {"beacons", "lounge", "study"}
    assert all(each["subscribe_proxy_enabled"] for each in namespaces.values())
    assert [name for name, each in namespaces.items() if each["publish_proxy_enabled"]] == [
        "lounge"
    ]
    assert options["rpc"]["namespaces"] == [{"name": "lounge", "proxy_enabled": True}]
    assert namespaces["study"]["allow_user_limited_channels"]
    assert options["client"]["subscribe_to_user_personal_channel"] == {
        "enabled": True,
        "personal_channel_namespace": "study",
    }


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        (
            Namespace(),
            {"presence": False, "join_leave": False, "history_ttl": "86400s", "force_recovery": 1},
        ),
        (Namespace(history_size=3), {"history_size": 3}),
        (Namespace(history_size=0), {"history_size": 1}),  # without one there is no recovery
        (Namespace(history_seconds=0.2), {"history_ttl": "1s"}),
        (Namespace(history_seconds=7200), {"history_ttl": "7200s"}),
        (Namespace(history_seconds=999_999), {"history_ttl": "86400s"}),
        (Namespace(join_leave=True), {"join_leave": True, "force_push_join_leave": True}),
        (Namespace(delta=True), {"allowed_delta_types": ["fossil"], "delta_publish": True}),
        (Namespace(tags_filter=True), {"allow_tags_filter": True}),
        (Namespace(user_limited=True), {"allow_user_limited_channels": True}),
        (Namespace(personal=True), {"allow_user_limited_channels": False}),
    ],
)
def test_a_namespace_has_the_same_options_there(
    namespace: Namespace, expected: dict[str, Any]
) -> None:
    found = namespace_of(namespace)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("policy", "subscribers", "strangers"),
    [(public, True, True), (authenticated, True, False), (staff, False, False)],
)
def test_who_may_read_is_never_more_than_here(
    policy: Any, subscribers: bool, strangers: bool
) -> None:
    given = Namespace(presence=True, presence_policy=policy, history_policy=policy)
    found = namespace_of(given)
    for what in ("presence", "history"):
        assert found[f"allow_{what}_for_subscriber"] is subscribers
        assert found[f"allow_{what}_for_anonymous"] is strangers
    notes = made(ChannelRules({"ships": []}, {"ships": given})).notes
    assert any("nobody may read the history of ships" in note for note in notes) is (
        policy is staff
    )
    without = namespace_of(Namespace(presence_policy=policy))
    assert not without["allow_presence_for_subscriber"]


def test_the_stream_broker_reads_the_tables_that_are_filled() -> None:
    options = of_tests(broker="redis://valkey:6379", history_hours=50).options
    stream = options["broker"]
    assert (stream["enabled"], stream["type"]) == (True, "postgres")
    assert stream["postgres"] == {
        "dsn": SETTINGS["database_url"],
        "table_prefix": "cf",
        "binary_data": True,
        "use_notify": True,
        "partition_retention_days": 4,
    }
    assert options["controller"]["type"] == "postgres"
    assert options["presence_manager"]["redis"] == {"address": ["redis://valkey:6379"]}
    assert "consumers" not in options


def test_the_consumer_reads_the_table_that_is_filled() -> None:
    made = of_tests(centrifugo_source="outbox")
    (consumer,) = made.options["consumers"]
    assert (consumer["enabled"], consumer["type"]) == (True, "postgresql")
    assert consumer["postgresql"]["outbox_table_name"] == "centrifugo_outbox"
    assert consumer["postgresql"]["num_partitions"] == 8
    assert "broker" not in made.options
    assert any("functions that write rows" in note for note in made.notes)


def test_a_direct_address_is_taken_where_a_pooler_stands_before() -> None:
    direct = "postgresql://ada:secret@db:5432/house"
    given = {"direct_database_url": direct, "database_pooler": "transaction"}
    assert of_tests(**given).options["broker"]["postgres"]["dsn"] == direct


@pytest.mark.parametrize(("key", "kind"), [(RSA_KEY, "rsa"), (EC_KEY, "ecdsa")])
def test_public_keys_are_passed_on(tmp_path: Path, key: Any, kind: str) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem(key))
    made = of_tests(token_public_keys=str(path), token_audience="here")
    token = made.options["client"]["token"]
    assert token[f"{kind}_public_key"] == pem(key)
    assert token["audience"] == "here"
    assert len(token["hmac_secret_key"]) >= 32


def test_what_centrifugo_cannot_do_is_said(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{}")
    notes = of_tests(token_public_keys=str(path), allowed_origins="https://other.example").notes
    for words in ("@message", "Redis", "set of keys", "TRIVET_ALLOWED_ORIGINS"):
        assert any(words in note for note in notes), words
    two = {name: Namespace(personal=True) for name in ("aa", "bb")}
    notes = made(ChannelRules({name: [] for name in (*two, "c")}, two)).notes
    assert any("of bb" in note for note in notes)
    assert any("'c' is too short" in note for note in notes)


@pytest.mark.parametrize(
    ("settings", "cure"),
    [
        ({"centrifugo_secret": ""}, "TRIVET_CENTRIFUGO_SECRET"),
        ({"centrifugo_api_url": ""}, "TRIVET_CENTRIFUGO_API_URL"),
        ({"database_url": "sqlite:///house.db"}, "PostgreSQL"),
    ],
)
def test_settings_without_a_centrifugo_are_refused(settings: Any, cure: str) -> None:
    with pytest.raises(ConfigurationError, match=cure):
        of_tests(**settings)
