"""`trivet shell`: Python whose changes are a unit's, kept by a commit and by nothing else."""

import os
import re
import subprocess
import sys

import pytest

from tests.deploy.installation import Installation
from tests.services.databases import run_trivet

KEPT = """
from departures.models import Airline as Named
db.add(Airline(code="X1", name="First"))
commit()
first = db.get_one(Airline, "X1")
commit()
first.name = "Changed"  # of a unit that has ended
rollback()
print(first.name, Named is Airline, __name__)
first.name = "Again"
commit()
db.add(Airline(code="X2", name="Never kept"))
"""
FAILING = """
db.add(Airline(code="X1", name="First"))
commit()
db.add(Airline(code="X1", name="Second"))
print("not reached")
"""
ACTOR = """
def who(db, actor, word):
    print(word, actor.username, actor.allows("departures.view_flight"), db.get(User, actor.user_id))

run(who, "it is")
"""
LOST = "What waited for a commit() before this line was taken back with it."


def script(installed: Installation, text: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return run_trivet("shell", *options, env=installed.env, given=text)


def test_a_script_keeps_what_it_commits_and_each_change_is_audited(
    installed: Installation,
) -> None:
    done = script(installed, KEPT)

    assert (done.returncode, done.stdout) == (0, "First True __main__\n")
    assert "What was not committed is taken back. commit() keeps it." in done.stderr
    entries = installed.json("audit", "list", "--table", "departures_airline")
    assert [(each["kind"], each["row_key"]) for each in entries] == [
        ("update", "X1"),
        ("insert", "X1"),
    ]
    assert {(each["actor"], each["origin"]) for each in entries} == {("shell", "cli")}


def test_an_error_ends_a_script_with_the_line_and_the_sentence(installed: Installation) -> None:
    done = script(installed, FAILING)
    unclosed = script(installed, "x = (")
    wrong = script(installed, "def f():\n    return missing\n\nf()\n")

    assert (done.returncode, done.stdout) == (1, "")
    assert "IntegrityError: There is already an airline with this code." in done.stderr
    assert "INSERT" not in done.stderr
    assert (unclosed.returncode, wrong.returncode) == (1, 1)
    assert 'File "<stdin>", line 2, in f' in wrong.stderr
    assert "trivet_deploy" not in wrong.stderr


@pytest.mark.once
def test_it_acts_as_the_user_whom_it_is_told(installed: Installation) -> None:
    make = ("users", "create", "ada", "--email", "ada@example.org", "--password-stdin")
    assert run_trivet(*make, env=installed.env, given="correct horse battery").returncode == 0

    done = script(installed, ACTOR, "--as", "ada")
    assert done.stdout == "it is ada False ada\n", done.stderr
    assert "There is no active user bob." in script(installed, "", "--as", "bob").stderr
    installed.run("users", "disable", "ada")
    assert script(installed, ACTOR, "--as", "ada").returncode == 1


@pytest.mark.database("sqlite")
def test_a_shell_that_only_reads_locks_nothing(installed: Installation) -> None:
    path = installed.url.removeprefix("sqlite:///")
    asking = (
        "print(len(db.scalars(select(Airline)).all()))\n"
        "import sqlite3\n"
        f"sqlite3.connect({path!r}, timeout=0).execute('BEGIN IMMEDIATE')\n"
        "print('free')\n"
    )
    assert script(installed, asking).stdout == "0\nfree\n"
    changing = "db.add(Airline(code='X1', name='First'))\n" + asking
    assert "database is locked" in script(installed, changing).stderr


def type_in(installed: Installation, lines: list[str]) -> "subprocess.CompletedProcess[str]":
    """What a shell shows to somebody who types these lines at a terminal."""
    ours, theirs = os.openpty()
    os.write(ours, "".join(f"{line}\n" for line in lines).encode())
    done = subprocess.run(
        [sys.executable, "-m", "trivet_deploy.cli", "shell"],
        env=installed.env,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    os.close(ours)
    os.close(theirs)
    return done


def test_a_line_that_takes_back_what_waited_says_so(installed: Installation) -> None:
    done = type_in(
        installed,
        [
            "db.add(Airline(code='X1', name='First'))",
            "db.add(Airline(code='X1', name='Second'))",
            "commit()",
            "print('rows:', db.scalars(select(Airline.code)).all())",
            "db.add(Airline(code='X1'))",
            "db.add(Airline(code='X1', name='First')); commit()",
            "1/0",
            "print('rows:', db.scalars(select(Airline.code)).all())",
            "exit()",
        ],
    )
    assert done.stdout.count(LOST) == 1, done.stdout
    _, _, after = done.stdout.partition("There is already an airline with this code.")
    assert after.lstrip().startswith(LOST)
    assert after.index("rows: []") < after.index("rows: ['X1']")


@pytest.mark.once
@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("db.commit()", "In this shell it is commit() and rollback()"),
        ("db.rollback()", "In this shell it is commit() and rollback()"),
        ("await db.scalars(select(Airline))", "There is no await in this shell"),
    ],
)
def test_what_is_typed_by_habit_is_told_what_to_type_instead(
    installed: Installation, line: str, advice: str
) -> None:
    for said in (script(installed, line).stderr, type_in(installed, [line, "exit()"]).stdout):
        assert "Error: " in said
        assert advice in said
        assert "code.py" not in said  # a line of the author's, and no others


@pytest.mark.once
def test_at_a_terminal_the_prompt_shows_what_waits_and_leaving_says_what_is_lost(
    installed: Installation,
) -> None:
    done = type_in(
        installed,
        ["1/0", "db.add(Airline(code='X1', name='First'))", "print(actor.username)", "exit()"],
    )
    assert done.returncode == 0, done.stdout
    assert "departures: Aircraft, Airline, Airport" in done.stdout
    assert "ZeroDivisionError" in done.stdout
    assert re.search(r"\*(>>>|In \[\d\]:) shell$", done.stdout, re.MULTILINE)
    assert "What was not committed is taken back" in done.stdout


def test_a_script_that_is_named_is_told_to_come_on_stdin(installed: Installation) -> None:
    refused = installed.run("shell", "fill.py", code=2)
    assert "a script comes on stdin: `trivet shell < fill.py`" in refused.stderr
