"""The report: tables for people, JSON for machines."""

import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.rounds import Figures, Spread

WIDTH = 110
"""Of a table, in characters."""
BUSY = 0.85
"""A generator busier than this may have been the limit instead of the server."""


class Report:
    """Shows tables as they come, or `as_json` all at the end; progress goes to stderr."""

    def __init__(self, *, rounds: int, seconds: float, as_json: bool) -> None:
        self._progress = Console(stderr=True)
        # The same table on a terminal, in a pipe and in the documents.
        self._output = Console(width=WIDTH + 4, quiet=as_json)
        self._as_json = as_json
        self._data: dict[str, Any] = {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "rounds": rounds,
            "seconds": seconds,
            "cases": {},
        }

    def tell(self, line: str) -> None:
        """Say what is going on; nothing that anybody needs later."""
        if self._progress.is_terminal:
            self._progress.print(line, style="dim")

    def add_comparison(self, name: str, question: str, figures: Sequence[Figures]) -> None:
        """The first of `figures` with each of the others."""
        first = figures[0]
        table = Table("", title=f"{name}: {question}", title_justify="left", min_width=WIDTH)
        heads = ("a second", "CPU µs each", f"{first.name} is × as fast", "by CPU", "goal")
        for head in heads:
            table.add_column(head, justify="right")
        for each in figures:
            table.add_row(each.name, *_row(each, first))
        self._output.print(table)
        for each in figures:
            if Spread.of(each.load_busy).median > BUSY:
                self._output.print(f"{each.name}: the load's core was the limit.")
        self._data["cases"][name] = [asdict(each) for each in figures]

    def add_costs(self, name: str, question: str, costs: Iterable[tuple[str, Spread]]) -> None:
        """What parts of a request compute, in µs."""
        table = Table("", title=f"{name}: {question}, in µs")
        table.add_column("µs (from – to)", justify="right")
        costs = list(costs)
        for part, cost in costs:
            table.add_row(part, _spread(cost, 1))
        self._output.print(table)
        self._data[f"{name}_us"] = {part: asdict(cost) for part, cost in costs}

    def add_durations(self, name: str, rows: Iterable[tuple[str, ...]]) -> None:
        """How long one waits for something."""
        self._add_table(name, name, ("a second", "median ms", "p95 ms", "p99 ms"), rows)

    def add_figures(
        self, name: str, rows: Iterable[tuple[str, str]], head: str = "of a core"
    ) -> None:
        """Figures that need no spread."""
        self._add_table(name, name, (head,), rows)

    def add_fanout(self, rows: Iterable[tuple[str, ...]]) -> None:
        """What a delivery costs, of single publications and of bursts."""
        heads = ("single: a second", "CPU µs each", "burst: a second", "CPU µs each")
        self._add_table("fanout", "fanout: deliveries to 5,000 sockets", heads, rows)

    def add_ingest(self, rows: Iterable[tuple[str, ...]]) -> None:
        """What movements in batches cost, and how long their answers and publications take."""
        times = ("answer: median ms", "p99 ms", "subscriber: median ms", "p99 ms")
        heads = ("movements a second", "CPU µs each", *times)
        self._add_table("ingest", "ingest: movements in batches", heads, rows)

    def add_pages(self, name: str, rows: Iterable[tuple[str, ...]]) -> None:
        """How long one waits for pages, beside a peer."""
        heads = ("Trivet ms", "Django ms", "Trivet takes ×")
        self._add_table(name, name, heads, rows)

    def _add_table(
        self, name: str, title: str, heads: Sequence[str], rows: Iterable[tuple[str, ...]]
    ) -> None:
        table = Table("", *heads, title=title)
        rows = list(rows)
        for row in rows:
            table.add_row(*row)
        self._output.print(table)
        self._data[name] = rows

    def close(self) -> None:
        """Say under which conditions all this was measured."""
        if self._as_json:
            json.dump(self._data, sys.stdout, indent=2)
            print()
            return
        of = f"{self._data['rounds']} rounds of {self._data['seconds']:g} s"
        self._output.print(f"{of}, {self._data['cores']} cores, Python {self._data['python']}")


def _row(each: Figures, first: Figures) -> tuple[str, ...]:
    rate, cpu = Spread.of(each.rates), Spread.of(each.cpu_us)
    if each is first:
        return f"{rate.median:,.0f}", f"{cpu.median:,.0f}", "", "", ""
    ratio = each.ratio_of(first)
    goal = "" if each.goal is None else f"≥ {each.goal:g}{_mark(ratio.median >= each.goal)}"
    return (
        f"{rate.median:,.0f}",
        f"{cpu.median:,.0f}",
        _spread(ratio, 2),
        _spread(each.cpu_ratio_of(first), 2),
        goal,
    )


def _mark(reached: bool) -> str:
    return " ✓" if reached else " ✗"


def _spread(spread: Spread, digits: int) -> str:
    low, high = f"{spread.least:.{digits}f}", f"{spread.greatest:.{digits}f}"
    return f"{spread.median:.{digits}f} ({low}–{high})"
