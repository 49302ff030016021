"""`trivet events`: channels that are followed, and what is published by hand."""

import json
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tests.deploy.installation import Installation, execute
from tests.services.databases import run_trivet
from tests.services.forks import Fork
from tests.services.processes import leashed
from trivet.errors import Invalid
from trivet.events.appending import NewPublication, append
from trivet.features import load_features
from trivet_deploy.channel_names import require_channel, rules_of
from trivet_deploy.publishing import publication_of

SECONDS = 60.0
"""For what has to come, on a slow machine. No claim rests on it."""
JFK, LGA = "departures:JFK", "departures:LGA"


@dataclass
class Tail:
    """A `trivet events tail` that runs, and what it has written so far."""

    process: Fork
    output: Path
    errors: Path
    taken: int = field(default=0)

    def take(self, count: int) -> list[Any]:
        """The next lines."""
        deadline = time.monotonic() + SECONDS
        while len(lines := self.output.read_text().splitlines()) < self.taken + count:
            assert time.monotonic() < deadline, self.errors.read_text()
            assert self.process.poll() is None, self.errors.read_text()
            time.sleep(0.02)
        found = [json.loads(line) for line in lines[self.taken : self.taken + count]]
        self.taken += count
        return found

    def end(self, sign: signal.Signals) -> int:
        """Its exit code."""
        self.process.send_signal(sign)
        return self.process.wait(SECONDS)


@contextmanager
def tailing(installed: Installation, directory: Path, *arguments: str) -> Iterator[Tail]:
    """Follow, from the moment on at which it is ready: a first publication tells that."""
    output, errors = directory / "stdout", directory / "stderr"
    output.touch()
    command = ("events", "tail", *arguments)
    process = Fork(command, env=installed.env, output=output, errors=errors)
    with leashed(process, signal.SIGKILL):
        yield Tail(process, output, errors)


def publish(installed: Installation, channel: str, *values: Any) -> list[str]:
    """Publish JSON values; their positions as they are printed."""
    return [
        installed.run("events", "publish", channel, json.dumps(value)).stdout.strip()
        for value in values
    ]


def write(installed: Installation, channel: str, *values: Any) -> list[str]:
    """Publish JSON values before anybody follows, in one go; their positions."""
    engine = create_engine(installed.url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(engine) as session, session.begin():
        new = [NewPublication(channel, json.dumps(value)) for value in values]
        position = append(session, new)[channel]
    engine.dispose()
    first = position.offset - len(values) + 1
    return [f"{position.epoch}:{first + number}" for number in range(len(values))]


def until_ready(installed: Installation, tail: Tail, channel: str) -> None:
    """Return when `tail` prints what is published to `channel`. It begins at no known moment."""
    deadline = time.monotonic() + SECONDS
    while not tail.output.read_text():
        assert time.monotonic() < deadline, tail.errors.read_text()
        publish(installed, channel, "are you there")
    tail.taken = len(tail.output.read_text().splitlines())


def test_what_is_published_is_printed_until_an_end_is_asked_for(
    installed: Installation, tmp_path: Path
) -> None:
    write(installed, JFK, "before")
    with tailing(installed, tmp_path, JFK, LGA, "--last", "1") as tail:
        (first,) = tail.take(1)
        (position,) = publish(installed, JFK, {"gate": "B7"})
        (line,) = tail.take(1)
        publish(installed, "departures:EWR", 1)
        publish(installed, LGA, [2])
        (other,) = tail.take(1)
        code = tail.end(signal.SIGTERM)
    assert (first["channel"], first["offset"], first["data"]) == (JFK, 1, "before")
    assert position == f"{line['epoch']}:{line['offset']}"
    assert line["data"] == {"gate": "B7"}
    assert line["epoch"] == first["epoch"]
    assert line["time"].endswith("Z")
    assert set(line) == {"channel", "epoch", "offset", "time", "data"}
    assert (other["channel"], other["data"]) == (LGA, [2])
    assert code == 0
    assert "Traceback" not in tail.errors.read_text()


def test_it_goes_on_from_a_position(installed: Installation, tmp_path: Path) -> None:
    _, second, _, _ = write(installed, JFK, 1, 2, 3, 4)
    with tailing(installed, tmp_path, JFK, "--from", second) as tail:
        assert [line["data"] for line in tail.take(2)] == [3, 4]
        publish(installed, JFK, 5)
        assert [line["offset"] for line in tail.take(1)] == [5]
        assert tail.end(signal.SIGINT) == 0


def test_what_is_not_kept_any_more_is_said_and_the_rest_printed(
    installed: Installation, tmp_path: Path
) -> None:
    write(installed, JFK, 1, 2, 3)
    execute(installed.url, 'DELETE FROM trivet_publication WHERE "offset" < 3')
    with tailing(installed, tmp_path, JFK, "--last", "9") as tail:
        assert [line["offset"] for line in tail.take(1)] == [3]
        assert "the publications 1 to 2 are not kept any more" in tail.errors.read_text()
        assert tail.end(signal.SIGINT) == 0


def test_after_a_restart_a_position_from_before_leads_nowhere(installed: Installation) -> None:
    _, last = write(installed, JFK, 1, 2)
    assert "1 channel begins a new life" in installed.run("events", "restart").stderr
    write(installed, LGA, 3)
    assert "2 channels begin a new life" in installed.run("events", "restart").stderr
    (after,) = write(installed, JFK, 4)
    assert after.partition(":")[2] == "3"
    refused = installed.run("events", "tail", JFK, "--from", last, code=1)
    assert f"nothing leads there from {last}" in " ".join(refused.stderr.split())


# what is wrong, the options, the exit code, the sentence
MISTAKES = [
    ("another life", ("--from", "nowhere:1"), 1, "nothing leads there from nowhere:1"),
    ("too far", ("--from", "{epoch}:9"), 1, f"{JFK} has no 9 yet: it is at 1."),
    ("no position", ("--from", "9"), 2, "Write it as it is printed, EPOCH:OFFSET"),
    ("two beginnings", (LGA, "--from", "a:1", "--last", "1"), 2, "--from is about one channel"),
    ("an unknown namespace", ("departure:JFK",), 1, "Did you mean departures:?"),
]


@pytest.mark.once
def test_a_tail_that_cannot_be_is_refused_with_the_cure(installed: Installation) -> None:
    epoch = write(installed, JFK, 1)[0].partition(":")[0]
    for name, options, code, sentence in MISTAKES:
        given = [each.format(epoch=epoch) for each in options]
        done = installed.run("events", "tail", JFK, *given, code=code)
        words = " ".join(done.stderr.replace("│", " ").split())
        assert sentence in words, name
        assert done.stdout == "", name


@pytest.mark.database("postgresql")
def test_connections_that_break_lose_nothing(installed: Installation, tmp_path: Path) -> None:
    with tailing(installed, tmp_path, JFK, "--last", "1") as tail:
        until_ready(installed, tail, JFK)
        with psycopg.connect(installed.url, autocommit=True) as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()
        assert ended is not None
        assert ended[0] > 0
        publish(installed, JFK, "one", "two")
        found = tail.take(2)
        assert [line["data"] for line in found] == ["one", "two"]
        assert tail.end(signal.SIGTERM) == 0


@contextmanager
def piped(installed: Installation, directory: Path, *arguments: str) -> Iterator[tuple[Tail, int]]:
    """Follow into a pipe, whose other end is given."""
    output, errors = directory / "pipe", directory / "stderr"
    os.mkfifo(output)
    reader = os.open(output, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)  # a writer comes only now
    process = Fork(("events", "tail", *arguments), env=installed.env, output=output, errors=errors)
    with leashed(process, signal.SIGKILL):
        while not select.select([reader], [], [], SECONDS)[0] or not (first := os.read(reader, 1)):
            time.sleep(0.02)
        assert first == b"{"
        yield Tail(process, output, errors), reader


@pytest.mark.once
def test_the_end_of_the_reader_is_the_end(installed: Installation, tmp_path: Path) -> None:
    write(installed, JFK, 1)
    with piped(installed, tmp_path, JFK, "--last", "1") as (tail, reader):
        os.close(reader)  # and nothing more is published
        assert tail.process.wait(SECONDS) == 0
    assert tail.errors.read_text() == ""


@pytest.mark.once
def test_a_reader_that_does_not_read_does_not_keep_it_from_ending(
    installed: Installation, tmp_path: Path
) -> None:
    write(installed, JFK, "x" * 100_000, "x" * 100_000)  # more than a pipe holds
    with piped(installed, tmp_path, JFK, "--last", "2") as (tail, reader):
        assert tail.end(signal.SIGTERM) == 0
        os.close(reader)


def test_what_is_published_is_a_row_and_an_entry(installed: Installation) -> None:
    first = installed.json("events", "publish", JFK, '{ "gate" :\n"B7", "n": 1.50 }')
    done = run_trivet("events", "publish", JFK, "-", env=installed.env, given="[1,\n2]")
    listed = installed.json("audit", "list", "--table", "trivet_publication")
    assert (first["channel"], first["offset"]) == (JFK, 1)
    assert done.stdout.strip() == f"{first['epoch']}:2"
    assert "Published to departures:JFK" in done.stderr
    changes = [entry["changes"]["data"]["to"] for entry in reversed(listed)]
    # what it says stays as it was written, and is one line
    assert changes == ['{"gate":"B7","n":1.50}', "[1,2]"]
    assert {(entry["actor"], entry["origin"], entry["row_key"]) for entry in listed} == {
        ("cli", "cli", JFK)
    }


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


# what is wrong, the JSON, the sentence
REFUSALS: Sequence[tuple[str, str, str]] = [
    ("no JSON", "{gate: B7}", "This is no JSON"),
    ("nothing", "", "This is no JSON"),
    ("no number", "NaN", "NaN is no number of JSON's"),
    ("a name twice", '{"a": 1, "a": 2}', 'the name "a" twice'),
    ("half a character", '"\udcff"', "it is not UTF-8 at byte 1"),
    ("too deep", deep(101), "more than 100 levels deep"),
    ("far too deep", deep(50_000), "nested too deeply"),
    ("too large", f'"{"x" * 2000}"', "2,002 bytes, and TRIVET_BODY_LIMIT_BYTES allows 1,024"),
]


@pytest.mark.parametrize(
    ("data", "sentence"), [pytest.param(*each[1:], id=each[0]) for each in REFUSALS]
)
def test_what_cannot_be_published_is_refused_with_the_cure(data: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        publication_of(JFK, os.fsencode(data), most_bytes=1024)
    assert sentence in refused.value.detail


def test_a_mark_at_the_beginning_of_a_file_is_left_out() -> None:
    text = '{"gate": "B7"}\r\n'.encode("utf-8-sig")
    assert publication_of(JFK, text, most_bytes=1024).data == '{"gate":"B7"}'


# what is wrong, the channel, the sentence
NO_CHANNELS: Sequence[tuple[str, str, str]] = [
    ("a space", "departures:J FK", "is no channel's name"),
    ("too long", "departures:" + "x" * 250, "is no channel's name"),
    ("no ASCII", "departures:ß", "is no channel's name"),
    ("nothing", "", "is no channel's name"),
    ("an unknown namespace", "departure:JFK", "Did you mean departures:?"),
    ("no namespace", "JFK", "begins with its feature and a colon. There are: departures:."),
]


@pytest.mark.parametrize(
    ("channel", "sentence"), [pytest.param(*each[1:], id=each[0]) for each in NO_CHANNELS]
)
def test_what_is_no_channel_of_a_feature_is_refused(channel: str, sentence: str) -> None:
    rules = rules_of(load_features(("departures",)))
    require_channel(rules, JFK)
    require_channel(rules, f"${JFK}")
    with pytest.raises(Invalid) as refused:
        require_channel(rules, channel)
    assert sentence in refused.value.detail


@pytest.mark.once
def test_a_refusal_is_a_sentence_and_leaves_nothing(installed: Installation) -> None:
    env = {**installed.env, "TRIVET_BODY_LIMIT_BYTES": "1024"}
    for channel, data, sentence in (
        (JFK, "{gate: B7}", "This is no JSON"),
        ("departure:JFK", "1", "Did you mean departures:?"),
        ("gate:x:7", "1", "gate:x:7: no feature"),  # and not a picture for :x:
    ):
        done = run_trivet("events", "publish", channel, "-", env=env, given=data)
        assert done.returncode == 1, done
        assert sentence in done.stderr
        assert "bug" not in done.stderr
        assert done.stdout == ""
    assert installed.json("audit", "list", "--table", "trivet_publication") == []


@pytest.mark.database("sqlite")
def test_without_a_broker_nobody_can_be_asked_and_that_is_said(installed: Installation) -> None:
    for command in (("info",), ("disconnect", "ada"), ("disconnect", "--client", "1")):
        done = installed.run("realtime", *command, code=3)
        assert "No broker joins this command and the servers" in done.stderr
        assert "TRIVET_BROKER=redis://host:6379" in done.stderr


@pytest.mark.database("postgresql")
def test_where_nothing_serves_sockets_there_is_nothing_to_show(installed: Installation) -> None:
    done = installed.run("realtime", "info")
    assert done.stdout == ""
    assert "No process serves sockets." in done.stderr
