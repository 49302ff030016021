"""`trivet migrate`: schema, revisions, drift and permissions, as an operator meets them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.deploy.installation import Installation, execute

SHOP = """
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model
from trivet.models.types import BigKey


class Order(Model):
    __tablename__ = "shop_order"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    label: Mapped[str] = mapped_column(String(20))
"""


def test_migrate_makes_the_schema_of_both_and_then_has_nothing_to_do(empty: Installation) -> None:
    behind = empty.json("migrate", "--check", code=1)
    first = empty.json("migrate")
    second = empty.json("migrate")

    assert behind["django"]
    assert behind["alembic"]
    assert any(name.startswith("accounts.") for name in first["django"])
    assert first["alembic"]
    assert second == {"django": [], "alembic": []}
    assert empty.json("migrate", "--check") == {"django": [], "alembic": []}
    assert "No drift" in empty.run("migrate", "--check").stderr


def test_a_database_that_other_code_migrated_is_no_case_for_migrate(
    installed: Installation,
) -> None:
    execute(installed.url, "INSERT INTO trivet_migration (version_num) VALUES ('fffffffffff0')")

    found = {each["name"]: each for each in installed.json("check", code=1)}["migrations"]

    assert "run the newer code" in found["sentence"]
    assert "trivet migrate" not in found["sentence"]


def test_a_column_that_somebody_dropped_is_drift(installed: Installation) -> None:
    execute(installed.url, "ALTER TABLE trivet_api_key DROP COLUMN label")

    drift = installed.json("migrate", "--check", code=1)

    assert drift["alembic"] == [
        "the column trivet_api_key.label is in the models and not in the database"
    ]
    findings = {finding["name"]: finding for finding in installed.json("check", code=1)}
    assert findings["migrations"]["state"] == "failed"


def test_a_new_model_is_drift_until_its_revision_is_made_and_applied(
    installed: Installation, tmp_path: Path
) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(SHOP)
    installed.env |= {"TRIVET_FEATURES": "departures,shop", "PYTHONPATH": str(tmp_path)}

    drift = installed.json("migrate", "--check", code=1)
    made = installed.json("migrate", "--make", "shop", "-m", "orders")
    waiting = {each["name"]: each for each in installed.json("check", code=1)}["migrations"]
    applied = installed.json("migrate")

    assert any("shop_order" in sentence for sentence in drift["alembic"])
    assert Path(made["path"]).parent == package / "migrations"
    assert waiting["state"] == "failed"
    assert "behind" in waiting["sentence"]
    assert waiting["sentence"].count("trivet migrate") == 1, "the cure stands there once"
    assert len(applied["alembic"]) == 1
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}
    assert "there is no feature 'shops'" in (
        installed.run("migrate", "--make", "shops", "-m", "x", code=3).stderr.lower()
    )


@pytest.fixture
def shop(installed: Installation, tmp_path: Path) -> Path:
    """The models of a feature whose table stands in the database, and has a row."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (models := package / "models.py").write_text(SHOP)
    installed.env |= {"TRIVET_FEATURES": "departures,shop", "PYTHONPATH": str(tmp_path)}
    installed.run("migrate", "--make", "shop", "-m", "orders")
    installed.run("migrate")
    execute(installed.url, "INSERT INTO shop_order (id, label) VALUES (1, 'first')")
    return models


def test_the_files_of_revisions_are_numbered(installed: Installation, shop: Path) -> None:
    shop.write_text(SHOP + "    size: Mapped[int | None]\n")
    installed.run("migrate", "--make", "shop", "-m", "Sizes, at last")

    names = sorted(path.name for path in (shop.parent / "migrations").glob("*.py"))

    assert names == ["0001_orders.py", "0002_sizes_at_last.py"]


def test_a_revision_after_unnumbered_ones_comes_behind_them(
    installed: Installation, shop: Path
) -> None:
    folder = shop.parent / "migrations"
    (folder / "0001_orders.py").rename(folder / "3f0aa2b0c1d2_orders.py")
    shop.write_text(SHOP + "    size: Mapped[int | None]\n")

    made = installed.json("migrate", "--make", "shop", "-m", "sizes")

    assert Path(made["path"]).name == "0002_sizes.py"
    assert made["risks"] == []
    assert len(installed.json("migrate")["alembic"]) == 1


@dataclass(frozen=True)
class Risk:
    """A change of the models, and what is said of the rows that are there."""

    name: str
    models: str
    says: tuple[str, ...]


RISKS = (
    Risk(
        "a column with a default of the database",
        SHOP + "    size: Mapped[int] = mapped_column(server_default='1')\n",
        (),
    ),
    Risk("a column that takes NULL", SHOP + "    size: Mapped[int | None]\n", ()),
    Risk(
        "a column under another name",
        SHOP.replace("label", "title").replace(
            "mapped_column(String(20))", "mapped_column(String(20), server_default='-')"
        ),
        ("shop_order.label is dropped", "--rename shop_order.label="),
    ),
)


@pytest.mark.parametrize("risk", RISKS, ids=lambda risk: risk.name)
def test_what_rows_may_resist_is_said_when_the_revision_is_made(
    risk: Risk, installed: Installation, shop: Path
) -> None:
    shop.write_text(risk.models)

    made = installed.run("migrate", "--make", "shop", "-m", "more", "--yes")
    installed.run("migrate")

    warnings = [line for line in made.stderr.splitlines() if line.startswith("!")]
    assert bool(warnings) is bool(risk.says)
    for words in risk.says:
        assert words in "\n".join(warnings)


@pytest.mark.parametrize("column", ["Mapped[int]", "Mapped[bool]"])
def test_a_column_that_takes_no_null_is_a_risk_where_rows_come_later(
    installed: Installation, shop: Path, column: str
) -> None:
    execute(installed.url, "DELETE FROM shop_order")
    shop.write_text(SHOP + f"    size: {column}\n")
    made = installed.run("migrate", "--make", "shop", "-m", "more")
    execute(installed.url, "INSERT INTO shop_order (id, label) VALUES (2, 'later')")
    refused = installed.run("migrate", code=1)

    for words in ("shop_order.size takes no NULL", "server_default", "--value table.column=…"):
        assert words in made.stderr
    assert "migrations/0002_more.py:" in refused.stderr
    assert "the database refused" in refused.stderr
    assert "There are rows without a value. Cure: " in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_column_that_is_to_take_no_null_any_more_is_a_risk(
    installed: Installation, shop: Path
) -> None:
    shop.write_text(SHOP + "    size: Mapped[int | None]\n")
    installed.run("migrate", "--make", "shop", "-m", "sizes")
    installed.run("migrate")
    shop.write_text(SHOP + "    size: Mapped[int]\n")

    execute(installed.url, "UPDATE shop_order SET size = 1")
    made = installed.run("migrate", "--make", "shop", "-m", "no null")
    execute(installed.url, "UPDATE shop_order SET size = NULL")
    refused = installed.run("migrate", code=1)

    assert "shop_order.size will take no NULL" in made.stderr
    assert "migrations/0003_no_null.py:" in refused.stderr
    assert "There are rows without a value." in refused.stderr


def test_drift_is_told_with_the_command_that_cures_it(installed: Installation, shop: Path) -> None:
    shop.write_text(SHOP.replace("String(20)", "String(30), index=True"))

    drift = installed.run("migrate", "--check", code=1)
    findings = {each["name"]: each["sentence"] for each in installed.json("check", code=1)}

    cure = "`trivet migrate --make shop -m …`, then `trivet migrate`"
    assert "the index ix_shop_order_label of shop_order is in the models" in drift.stdout
    assert cure in drift.stderr
    assert cure in findings["migrations"]


@pytest.mark.parametrize(
    "command", [("migrate",), ("migrate", "--make", "shop", "-m", "x"), ("migrate", "--check")]
)
def test_a_database_that_knows_more_than_the_code_says_so(
    installed: Installation, shop: Path, command: Sequence[str]
) -> None:
    (revision,) = (shop.parent / "migrations").glob("*.py")
    revision.unlink()

    done = installed.run(*command, code=1 if "--check" in command else 3)

    assert "revision that no feature of TRIVET_FEATURES has" in done.stdout + done.stderr
    assert "This is a bug" not in done.stderr


def test_what_waits_is_cured_by_migrating(empty: Installation) -> None:
    assert "run `trivet migrate`" in empty.run("migrate", "--check", code=1).stderr


PLATFORM = {
    "trivet.view_auditentry": "Can view audit entry",
    "trivet.view_connection": "Can view live connection",
    "trivet.disconnect_connection": "Can disconnect live connection",
    **{
        f"trivet.{verb}_apikey": f"Can {verb} API key"
        for verb in ("view", "add", "change", "delete")
    },
}
"""What can be given of the platform's own models: nobody adds, changes or deletes an entry."""


def test_migrate_makes_the_permissions_of_the_platform_s_models(empty: Installation) -> None:
    empty.run("migrate")
    assert permissions_of(empty, "trivet") == PLATFORM
    assert set(permissions_of(empty, "departures")) == {
        f"departures.{verb}_{model}"
        for verb in ("view", "add", "change", "delete")
        for model in ("aircraft", "airline", "airport", "flight", "movement")
    }
    policies = {line["policy"] for line in empty.json("routes") if "/trivet/" in line["path"]}
    assert "staff + trivet.view_auditentry" in policies
    assert "staff + trivet.add_apikey" in policies
    assert not any("change_auditentry" in policy for policy in policies)


def test_the_next_migrate_makes_what_an_older_one_did_not(installed: Installation) -> None:
    for table, owner in (("auth_permission", "content_type_id"), ("django_content_type", "id")):
        of_ours = "SELECT id FROM django_content_type WHERE app_label = 'trivet'"
        execute(installed.url, f"DELETE FROM {table} WHERE {owner} IN ({of_ours})")
    assert permissions_of(installed, "trivet") == {}

    installed.run("migrate")

    assert permissions_of(installed, "trivet") == PLATFORM


def test_permissions_follow_their_models(installed: Installation, tmp_path: Path) -> None:
    models = tmp_path / "shop" / "models.py"
    models.parent.mkdir()
    (models.parent / "__init__.py").touch()
    models.write_text(SHOP)
    installed.env |= {"TRIVET_FEATURES": "departures,shop", "PYTHONPATH": str(tmp_path)}
    first = installed.run("migrate")
    made = permissions_of(installed, "shop")

    models.write_text(
        SHOP.replace(
            '"shop_order"',
            '"shop_order"\n    __table_args__ = ({"info": {"verbose_name": "purchase"}},)',
        )
    )
    installed.run("migrate")
    renamed = permissions_of(installed, "shop")
    models.write_text(SHOP.replace("class Order", "class Sale").replace("shop_order", "shop_sale"))
    gone = installed.run("migrate")

    assert made["shop.change_order"] == "Can change order"
    assert "no model has" not in first.stderr + first.stdout
    assert renamed["shop.change_order"] == "Can change purchase"
    assert set(permissions_of(installed, "shop")) == {
        f"shop.{verb}_{model}"
        for verb in ("view", "add", "change", "delete")
        for model in ("order", "sale")
    }
    assert "shop.view_order" in gone.stderr + gone.stdout
    assert "remove_stale_contenttypes" in gone.stderr + gone.stdout


def permissions_of(installation: Installation, app: str) -> dict[str, str]:
    """What can be given of an app's models, and what people read of it."""
    query = (
        "SELECT codename, name FROM auth_permission p "
        "JOIN django_content_type c ON c.id = p.content_type_id WHERE app_label = :app"
    )
    engine = create_engine(installation.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = connection.execute(text(query), {"app": app}).all()
    engine.dispose()
    return {f"{app}.{codename}": name for codename, name in found}
