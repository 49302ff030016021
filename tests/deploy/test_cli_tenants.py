"""Row security from a rule to the database, by an operator's commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.installation import Installation, same_features
from tests.deploy.written import Write
from tests.tenancy.securing import secure

MODELS = """
from sqlalchemy.orm import relationship


class Guild(Model):
    __tablename__ = "guilds_guild"

    id: Mapped[int] = mapped_column(primary_key=True)


class Charter(Model):
    __tablename__ = "guilds_charter"

    id: Mapped[int] = mapped_column(primary_key=True)
    guild_id: Mapped[int] = mapped_column(ForeignKey(Guild.id), index=True)


class Clause(Model):
    __tablename__ = "guilds_clause"

    id: Mapped[int] = mapped_column(primary_key=True)
    charter_id: Mapped[int] = mapped_column(ForeignKey(Charter.id), index=True)
    charter: Mapped[Charter] = relationship()
"""
RULES = """
from guilds.models import Charter, Clause
from trivet import Identity
from trivet.rules import tenant


@tenant("guild", {Charter: "guild_id", Clause: "charter.guild_id"}, row_security=SECURED)
def guild_of(actor: Identity) -> int | None:
    return actor.user_id
"""


@pytest.mark.database("postgresql")
def test_a_rule_becomes_row_security(installed: Installation, write: Write, tmp_path: Path) -> None:
    write(guilds=MODELS)
    rules = tmp_path / "guilds" / "rules.py"
    rules.write_text(RULES.replace("SECURED", "True"))
    owner = same_features(installed, f"{installed.url}?options=-crole%3Dnone")

    (made,) = owner.json("makemigrations")
    text = Path(made["path"]).read_text()
    assert text.count("CREATE POLICY") == 2
    owner.run("migrate")
    assert "Row security does not hold: PostgreSQL asks no policy of trivet" in at_the_start(owner)

    secure(installed.url, {})
    rules.write_text(RULES.replace("SECURED", "False"))
    (made,) = owner.json("makemigrations")
    assert Path(made["path"]).read_text().count("DROP POLICY") == 2
    owner.run("migrate")
    owner.run("migrate", "--to", "guilds@0001", "--yes")

    rules.write_text(RULES.replace("SECURED", "True"))
    Path(made["path"]).unlink()
    assert told(installed) == "PostgreSQL asks who may see rows of 2 tables"


def told(installation: Installation) -> str:
    """What `trivet check` says of row security."""
    findings = installation.json("check")
    (found,) = (each["sentence"] for each in findings if each["name"] == "row security")
    return str(found)


def at_the_start(installation: Installation) -> str:
    """What a server says of its database when it starts."""
    code = (
        "from trivet_deploy.schema import find_schema_fault as find\n"
        "from trivet_settings import load_settings\n"
        "print(find(load_settings(), with_drift=False))"
    )
    command = (sys.executable, "-c", code)
    done = subprocess.run(command, env=installation.env, capture_output=True, text=True, check=True)
    return done.stdout
