"""`trivet audit`, as an operator runs it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.deploy.installation import Installation
from tests.services.databases import Databases
from tests.services.people import make_key, make_user
from trivet.audit.tables import CHAINS


@pytest.fixture(scope="module")
def used_database_url(databases: Databases) -> str:
    installation = Installation(databases.create())
    make_user(installation.url, "ada")
    make_key(installation.url, "ada")
    (listed,) = installation.json("keys", "list")
    installation.run("keys", "revoke", listed["prefix"])
    return installation.url


@pytest.fixture
def used(databases: Databases, used_database_url: str) -> Iterator[Installation]:
    """An installation in which a user and a key were made, and the key was revoked."""
    url = databases.copy(used_database_url)
    yield Installation(url)
    databases.drop(url)


def tamper(installation: Installation, statement: str) -> None:
    engine = create_engine(installation.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_whole_trail_gives_an_anchor_that_a_later_check_goes_on_from(used: Installation) -> None:
    first = used.run("audit", "verify")
    anchor = first.stdout.strip()
    make_user(used.url, "bob")
    make_key(used.url, "bob")
    later = used.json("audit", "verify", "--anchor", anchor)

    assert "The trail is whole: 3 entries" in first.stderr
    assert (later["clean"], later["entries"], later["damages"]) == (True, 5, [])
    assert "is no anchor" in used.run("audit", "verify", "--anchor", "x", code=1).stderr


def test_a_damaged_trail_is_named_with_every_entry_and_exit_code_1(used: Installation) -> None:
    tamper(used, f"UPDATE trivet_audit_entry SET actor = 'x' WHERE id = {CHAINS}")
    tamper(used, f"DELETE FROM trivet_audit_entry WHERE id = {3 * CHAINS}")

    done = used.run("audit", "verify", code=1)
    as_json = used.json("audit", "verify", code=1)

    first, second = done.stdout.splitlines()
    assert first.startswith(f"edited: chain 0, entry {CHAINS} (")
    assert second == f"removed: chain 0, entry {3 * CHAINS}: the entry is gone"
    assert "damaged in 2 places" in done.stderr
    assert [damage["kind"] for damage in as_json["damages"]] == ["edited", "removed"]


def test_a_check_with_another_key_says_that_it_may_be_the_key(used: Installation) -> None:
    used.env["TRIVET_AUDIT_KEYS"] = "a-key-that-nobody-ever-wrote-with-in-this-trail"
    assert "was TRIVET_SECRET_KEY changed?" in used.run("audit", "verify", code=1).stderr
    (found,) = [f for f in used.json("check", code=1) if f["name"] == "audit trail"]
    assert found["state"] == "failed"
    assert "TRIVET_AUDIT_KEYS" in found["sentence"]


def test_a_trail_that_was_emptied_is_damaged_and_no_migration_begins_it_again(
    used: Installation,
) -> None:
    tamper(used, "DELETE FROM trivet_audit_entry")
    tamper(used, "DELETE FROM trivet_audit_chain")
    assert "the trail was emptied" in used.run("audit", "verify", code=1).stdout
    used.run("migrate")
    assert "the trail was emptied" in used.run("audit", "verify", code=1).stdout
    make_user(used.url, "bob")
    assert "the head of the chain was gone" in used.run("audit", "verify", code=1).stdout


def test_an_anchor_file_is_written_by_a_whole_trail_and_read_by_the_next_check(
    used: Installation, tmp_path: Path
) -> None:
    kept = tmp_path / "anchor"
    used.run("audit", "verify", "--anchor-file", str(kept))
    first = kept.read_text()
    make_user(used.url, "bob")
    used.run("audit", "verify", "--anchor-file", str(kept))
    second = kept.read_text()
    assert first != second

    tamper(used, f"DELETE FROM trivet_audit_entry WHERE id = {4 * CHAINS}")
    used.run("audit", "verify", "--anchor-file", str(kept), code=1)
    assert kept.read_text() == second, "a damaged trail is no anchor"


def test_entries_are_listed_newest_first_and_filtered(used: Installation) -> None:
    def tables(*options: str) -> list[Any]:
        return [(e["kind"], e["table_name"]) for e in used.json("audit", "list", *options)]

    assert tables() == [
        ("update", "trivet_api_key"),
        ("insert", "trivet_api_key"),
        ("insert", "accounts_user"),
    ]
    assert tables("--table", "accounts_user", "--key", "1") == [("insert", "accounts_user")]
    assert tables("--since", "2100-01-01") == []
    assert tables("--actor", "nobody") == []
    assert len(tables("--limit", "1")) == 1
    (made,) = used.json("audit", "list", "--table", "accounts_user")
    assert made["origin"] == "cli"
    assert made["changes"]["password"] == {"redacted": True}
    shown = used.run("audit", "list").stdout
    assert "revoked_at: ∅ → " in shown
