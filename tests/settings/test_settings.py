"""What the settings mean once they are loaded."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from trivet_settings import Settings, SettingsError, load_settings
from trivet_settings.database_url import DatabaseUrl
from trivet_settings.description import describe
from trivet_settings.public_url import PublicUrl

SECRET = "k" * 40


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIVET_SECRET_KEY", SECRET)
    return tmp_path


def test_the_env_file_is_read_when_asked_and_the_environment_wins(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".env").write_text("TRIVET_POLL_SECONDS=3\nTRIVET_PING_SECONDS=7\nOTHER=1\n")
    monkeypatch.setenv("TRIVET_PING_SECONDS", "9")

    settings = load_settings()

    assert (settings.poll_seconds, settings.ping_seconds) == (3.0, 9)
    assert load_settings(env_file=None).poll_seconds == 1.0
    assert Settings(secret_key=settings.secret_key).poll_seconds == 1.0
    assert load_settings(ping_seconds=11).ping_seconds == 11


def test_settings_are_frozen() -> None:
    settings = load_settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.debug = True
    with pytest.raises(TypeError):
        settings.extra_mounts["/a"] = "asgi:a:b"  # type: ignore[index]


def test_no_secret_shows_in_the_repr() -> None:
    settings = load_settings(database_url="postgresql://u:geheim@h/d")

    assert SECRET not in repr(settings)
    assert "geheim" not in repr(settings)
    assert "geheim" not in repr(settings.database)


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("departures, shop.orders", ("departures", "shop.orders")),
        ('["departures", "shop.orders"]', ("departures", "shop.orders")),
        ("departures,", ("departures",)),
        ("", ()),
    ],
)
def test_a_list_is_written_with_commas_or_as_json(
    written: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIVET_FEATURES", written)

    assert load_settings().features == names


def test_words_may_be_written_in_capitals_and_an_empty_variable_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRIVET_LOG_LEVEL", "WARNING")
    monkeypatch.setenv("TRIVET_LOG_FORMAT", "")

    settings = load_settings()

    assert (settings.log_level, settings.log_format) == ("warning", "console")


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://Board.example.org/", PublicUrl("https", "board.example.org")),
        ("http://localhost:8000", PublicUrl("http", "localhost", 8000)),
        ("https://example.org:443/a/b/", PublicUrl("https", "example.org", path="/a/b")),
        ("http://[2001:db8::1]:81", PublicUrl("http", "[2001:db8::1]", 81)),
        ("http://[2001:DB8:0::0:1]", PublicUrl("http", "[2001:db8::1]")),
        ("https://board.example.org./", PublicUrl("https", "board.example.org")),
        ("https://Straße.example", PublicUrl("https", "xn--strae-oqa.example")),
    ],
)
def test_the_public_url_is_tidied_and_reads_back_the_same(written: str, url: PublicUrl) -> None:
    settings = load_settings(public_url=written)

    assert settings.public == url
    assert settings.public_url == str(url)
    assert PublicUrl.parse(settings.public_url) == url


def test_the_public_url_gives_hosts_origins_cookie_flags_and_root_path() -> None:
    settings = load_settings(public_url="https://example.org:8443/apps/trivet")

    assert settings.hosts == ("example.org",)
    assert settings.csrf_origins == (settings.origin,) == ("https://example.org:8443",)
    assert settings.secure_cookies
    assert settings.root_path == "/apps/trivet"


@pytest.mark.parametrize("name", ["allowed_origins", "trusted_origins"])
def test_origins_are_written_as_browsers_write_them(name: str) -> None:
    given = "https://App.example.org:443/, http://localhost:5173,null,https://app.example.org"
    settings = load_settings(**{name: given})
    assert getattr(settings, name) == ("https://app.example.org", "http://localhost:5173", "null")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_origins", "app.example.org"),
        ("allowed_origins", "https://app.example.org/path"),
        ("allowed_origins", "https://*.example.org"),
        ("trusted_origins", "*"),
        ("trusted_proxies", "unix:/run/x"),
    ],
)
def test_what_is_no_origin_or_proxy_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(**{name: value})
    assert [fault.variable for fault in refused.value.faults] == [f"TRIVET_{name.upper()}"]


def test_a_loopback_name_stands_for_all_of_them() -> None:
    settings = load_settings(public_url="http://127.0.0.1:9000")

    assert settings.hosts == ("localhost", "127.0.0.1", "[::1]")
    assert "http://localhost:9000" in settings.csrf_origins
    assert not settings.secure_cookies


@pytest.mark.parametrize(
    ("written", "parts", "masked"),
    [
        (
            "sqlite:///var/a b%20c.sqlite3",
            DatabaseUrl("sqlite", "var/a b%20c.sqlite3"),
            "sqlite:///var/a b%20c.sqlite3",
        ),
        ("sqlite:////srv/t.db", DatabaseUrl("sqlite", "/srv/t.db"), "sqlite:////srv/t.db"),
        (
            "postgresql://u:p%40ss@db:5433/trivet?sslmode=require",
            DatabaseUrl("postgresql", "trivet", "u", "p@ss", "db", "5433", {"sslmode": "require"}),
            "postgresql://u:***@db:5433/trivet",
        ),
        (
            "postgresql://[::1]/trivet",
            DatabaseUrl("postgresql", "trivet", host="::1"),
            "postgresql://[::1]/trivet",
        ),
        (
            "postgresql://u@a:5432,[2001:db8::2]:5433,c/trivet?target_session_attrs=read-write",
            DatabaseUrl(
                "postgresql",
                "trivet",
                "u",
                host="a,2001:db8::2,c",
                port="5432,5433,",
                options={"target_session_attrs": "read-write"},
            ),
            "postgresql://u@a:5432,[2001:db8::2]:5433,c/trivet",
        ),
        (
            "postgres:///?host=a,b&port=1,2&user=u&password=geheim&dbname=trivet",
            DatabaseUrl("postgresql", "trivet", "u", "geheim", "a,b", "1,2"),
            "postgresql://u:***@a:1,b:2/trivet",
        ),
        (
            "postgresql://u:p@ss@%2Fvar%2Frun%2Fpostgresql/a%20b?ssl=true",
            DatabaseUrl(
                "postgresql",
                "a b",
                "u",
                "p@ss",
                "/var/run/postgresql",
                options={"sslmode": "require"},
            ),
            "postgresql://u:***@/var/run/postgresql/a b",
        ),
        (
            "postgresql://?service=board",
            DatabaseUrl("postgresql", "", options={"service": "board"}),
            "postgresql:///",
        ),
    ],
)
def test_the_database_url_is_given_in_parts(written: str, parts: DatabaseUrl, masked: str) -> None:
    database = load_settings(database_url=written).database

    assert database == parts
    assert database.masked == masked


def test_only_sqlite_has_a_path() -> None:
    assert load_settings().database.path == Path("var/trivet.sqlite3")

    with pytest.raises(ValueError, match="no file path"):
        _ = load_settings(database_url="postgresql://h/d").database.path


def test_every_setting_is_described_and_says_its_unit_if_it_is_a_number() -> None:
    described = {setting.name: setting for setting in describe()}

    assert list(described) == list(Settings.model_fields)
    assert all(setting.text.endswith(".") for setting in described.values())
    for name, field in Settings.model_fields.items():
        if field.annotation in {int, float}:
            assert described[name].unit, name
    assert described["secret_key"].required
    assert described["poll_seconds"].default == "1.0"


def test_a_described_default_can_be_written_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in describe():
        if not setting.required:
            monkeypatch.setenv(setting.variable, setting.default)

    assert load_settings() == Settings(secret_key=load_settings().secret_key)


def test_a_product_has_a_name_and_its_pages_a_title() -> None:
    assert (load_settings().name, load_settings().title) == ("Trivet", "Trivet")
    assert load_settings(name="  Harbour   & Sons ").name == "Harbour & Sons"
    assert load_settings(name="Harbour", site_title="Harbour office").title == "Harbour office"


@pytest.mark.parametrize("setting", ["logo", "home"])
@pytest.mark.parametrize("path", ["/shop", "/shop/", "/shop/static/logo-2.svg", "/.well-known/x"])
def test_a_path_on_this_site_is_taken(setting: str, path: str) -> None:
    assert getattr(load_settings(**{setting: path}), setting) == path


@pytest.mark.parametrize("setting", ["logo", "home"])
@pytest.mark.parametrize(
    "path",
    ["shop/logo.svg", "//cdn.example/x.svg", "https://cdn.example/x.svg", "/a b", "/a?b", "/../a"],
)
def test_an_address_elsewhere_is_no_path_on_this_site(setting: str, path: str) -> None:
    with pytest.raises(SettingsError, match=f"TRIVET_{setting.upper()}.*no path on this site"):
        load_settings(**{setting: path})


def test_a_name_of_nothing_but_spaces_is_refused() -> None:
    with pytest.raises(SettingsError, match="TRIVET_NAME"):
        load_settings(name="   ")


def test_a_pooler_for_transactions_needs_a_way_past_it() -> None:
    pooled = {"database_url": "postgresql://pooler/d", "database_pooler": "transaction"}
    for wrong in ("", "postgresql://pooler/d"):
        with pytest.raises(SettingsError, match="TRIVET_DIRECT_DATABASE_URL"):
            load_settings(**pooled, direct_database_url=wrong)

    settings = load_settings(**pooled, direct_database_url="postgresql://server/d")

    assert settings.database.host == "pooler"
    direct = settings.direct
    assert (direct.database.host, direct.database_pooler) == ("server", "none")
    assert load_settings().direct.database_url == load_settings().database_url


def test_replicas_are_a_list_of_addresses_and_none_is_the_primary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRIVET_DATABASE_URL", "postgresql://one/d")
    monkeypatch.setenv(
        "TRIVET_REPLICA_URLS", "postgresql://u:a,b@two/d?options=-c%20jit=off, postgres://three/d"
    )
    settings = load_settings()
    assert [each.host for each in settings.replicas] == ["two", "three"]
    assert settings.replicas[0].password == "a,b"
    assert not settings.direct.replica_urls
    assert "a,b" not in repr(settings)

    monkeypatch.setenv("TRIVET_REPLICA_URLS", '["postgresql://two/d", "postgresql://one/d"]')
    with pytest.raises(SettingsError, match=r"TRIVET_REPLICA_URLS.*no replica of itself"):
        load_settings()
