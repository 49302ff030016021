"""Rounds: everybody is measured for a moment in each, so that what disturbs the machine
disturbs all, and a ratio is one of two neighbours in time."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import uvloop

from benchmarks.cases import Case, Entry
from benchmarks.load import Load, Outcome, run_load
from benchmarks.servers import RunningServer

WARM_UP_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the least and the greatest of what was seen."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


@dataclass(slots=True)
class Figures:
    """One entry's figures, a value a round: answers a second, µs of its own computing for
    each answer, and how busy the load's own core was (0 to 1)."""

    name: str
    goal: float | None
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    load_busy: list[float] = field(default_factory=list)

    def ratio_of(self, first: "Figures") -> Spread:
        """How many times as many answers `first` gave, in the same round."""
        return Spread.of(
            [ours / theirs for ours, theirs in zip(first.rates, self.rates, strict=True)]
        )

    def cpu_ratio_of(self, first: "Figures") -> Spread:
        """The same by computing time, which neighbours on the machine disturb less."""
        return Spread.of(
            [theirs / ours for ours, theirs in zip(first.cpu_us, self.cpu_us, strict=True)]
        )


def measure(
    case: Case,
    servers: dict[str, RunningServer],
    key: str,
    *,
    rounds: int,
    seconds: float,
    tell: Callable[[str], None],
) -> list[Figures]:
    """Warm everybody up, then go round: entry after entry, `rounds` times `seconds`."""
    turns = [(entry, case.load(entry, key)) for entry in case.entries]
    for entry, load in turns:
        tell(f"{case.name}: warming up {entry.name}")
        _ask(servers[entry.program.name], load, WARM_UP_SECONDS)
    figures = {entry.name: Figures(entry.name, entry.goal) for entry in case.entries}
    for number in range(rounds):
        # Every other round goes backwards: who always comes first would always find it cool.
        for entry, load in turns if number % 2 == 0 else reversed(turns):
            tell(f"{case.name}: round {number + 1} of {rounds}, {entry.name}")
            _take(figures[entry.name], entry, servers, load, seconds)
    return list(figures.values())


def _take(
    figures: Figures, entry: Entry, servers: dict[str, RunningServer], load: Load, seconds: float
) -> None:
    server = servers[entry.program.name]
    before = server.cpu_seconds()
    outcome = _ask(server, load, seconds)
    figures.rates.append(outcome.rate)
    figures.cpu_us.append((server.cpu_seconds() - before) / outcome.answers * 1e6)
    figures.load_busy.append(outcome.busy)


def _ask(server: RunningServer, load: Load, seconds: float) -> Outcome:
    return uvloop.run(run_load(server.port, load, seconds))
