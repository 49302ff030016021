"""What the command line says of a refused value: a sentence, and never a traceback or SQL."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from departures.models import Airport
from tests.platform.notes import Note, create_tables
from trivet import Conflict
from trivet_deploy.cli.console import ExitCode
from trivet_deploy.cli.failure import report


@pytest.fixture
def engine(tmp_path: object) -> Engine:
    url = f"sqlite:///{tmp_path}/notes.db"
    create_tables(url)
    return create_engine(url)


def add_twice(db: Session) -> None:
    db.add_all([Note(board="a", text="one"), Note(board="b", text="one")])
    db.flush()


def add_without_a_text(db: Session) -> None:
    db.add(Note(board="a"))
    db.flush()


def add_nowhere(_db: Session) -> None:
    Airport(time_zone="Nowhere")


def break_a_rule(_db: Session) -> None:
    raise Conflict("no", "This loan has ended.")


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (add_twice, "There is already a note with this text."),
        (add_without_a_text, "Text: a value is needed."),
        (add_nowhere, "Airport.time_zone: 'Nowhere' is no time zone"),
        (break_a_rule, "This loan has ended."),
    ],
)
def test_a_command_prints_what_was_refused(
    engine: Engine,
    capsys: pytest.CaptureFixture[str],
    work: Callable[[Session], None],
    sentence: str,
) -> None:
    with Session(engine) as db, pytest.raises(Exception, match=r".+") as caught:  # of every kind
        work(db)
    assert report(caught.value) is ExitCode.NO
    printed = capsys.readouterr().err
    assert sentence in printed
    assert "INSERT" not in printed
    engine.dispose()
