"""`make bench`: Trivet beside its peers.

    make bench                                 everything, about six minutes
    make bench ARGS="json read --rounds 9"     some of it, longer
    make bench ARGS="--json" > figures.json    for machines

What can be asked for: json, read, insert, resource-read, resource-list, resource-insert, drivers,
middleware, routes (FastAPI alone), probes (how long /healthz takes while the server has its hands
full), workers (from a commit to the sockets of other processes), idle (50,000 watched channels in
which nothing happens), fanout (one publication to thousands of sockets), memory (of an idle
connection), slow (what those who read notice of those who do not), crowd (20,000 and 50,000 sockets
of several workers), board (the demonstration's board with its listening sockets), ingest (movements
in batches, until a subscriber has them) and admin (the admin's pages on 100,000 rows).
`docs/performance.md` says what the figures mean.
"""

import argparse
import os

from benchmarks import (
    admin_pages,
    board,
    crowd,
    drivers,
    fanout,
    ingest,
    memory,
    middleware_cost,
    probes,
    route_cost,
    slow_consumers,
    workers,
)
from benchmarks.cases import CASES
from benchmarks.database import SharedDatabase, shared_database
from benchmarks.report import Report
from benchmarks.rounds import measure
from benchmarks.servers import load_cores, pin, running

PARTS = (
    *(case.name for case in CASES),
    "drivers",
    "middleware",
    "routes",
    "probes",
    "workers",
    "idle",
    "memory",
    "fanout",
    "slow",
    "crowd",
    "board",
    "ingest",
    "admin",
)


def main() -> None:
    """Measure what was asked for, and print it."""
    options = _parse()
    pin(os.getpid(), load_cores())
    report = Report(rounds=options.rounds, seconds=options.seconds, as_json=options.json)
    with shared_database() as database:
        _compare(report, database, options)
        if "drivers" in options.parts:
            taken = drivers.measure(database, rounds=options.rounds, seconds=options.seconds)
            for work, figures in taken.items():
                report.add_comparison(f"drivers, {work}", drivers.QUESTION, figures)
        if "middleware" in options.parts:
            costs = middleware_cost.measure(database, rounds=options.rounds)
            report.add_costs("middleware", "what each adds to a request", costs)
        if "probes" in options.parts:
            rows = probes.measure_probes(database, options.seconds)
            report.add_durations("probes: how long /healthz takes", rows)
        if "workers" in options.parts:
            rows = workers.measure_workers(database, max(options.seconds, 10))
            report.add_durations("workers: from a commit to a socket of another process", rows)
        if "idle" in options.parts:
            report.add_figures("idle: 50,000 watched channels", workers.measure_idle(database))
        _measure_sockets(report, database, options)
    if "routes" in options.parts:
        costs = route_cost.measure(rounds=options.rounds)
        report.add_costs("routes", "FastAPI alone, by how a route is included", costs)
    _measure_large_tables(report, options)
    if "board" in options.parts:
        report.add_durations("board", board.measure_board(options.seconds))
    report.close()


def _measure_large_tables(report: Report, options: argparse.Namespace) -> None:
    """Each in a database of its own, which the others need not wait for."""
    if "ingest" in options.parts:
        with shared_database() as database:
            report.add_ingest(ingest.measure(database, seconds=max(options.seconds, 8)))
    if "admin" in options.parts:
        with shared_database() as database:
            rows = admin_pages.measure(database, rounds=options.rounds, tell=report.tell)
            report.add_pages("admin: pages on 100,000 rows", rows)


def _measure_sockets(report: Report, database: SharedDatabase, options: argparse.Namespace) -> None:
    if "memory" in options.parts:
        report.add_figures("memory of an idle connection", memory.measure(database), "")
    if "fanout" in options.parts:
        report.add_fanout(fanout.measure(database, rounds=options.rounds))
    if "slow" in options.parts:
        report.add_figures("slow consumers", slow_consumers.measure(database, options.rounds), "")
    if "crowd" in options.parts:
        for sockets, workers_ in crowd.CROWDS:
            name = f"crowd: from a request to {sockets:,} sockets that are mostly idle"
            report.add_durations(name, crowd.measure_crowd(database, sockets, workers_))


def _compare(report: Report, database: SharedDatabase, options: argparse.Namespace) -> None:
    cases = [case for case in CASES if case.name in options.parts]
    for case in cases:
        programs = {entry.program.name: entry.program for entry in case.entries}
        with running(list(programs.values()), database) as servers:
            figures = measure(
                case,
                servers,
                database.key,
                rounds=options.rounds,
                seconds=options.seconds,
                tell=report.tell,
            )
        report.add_comparison(case.name, case.question, figures)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=7, help="of each comparison (7)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement (1.5)")
    parser.add_argument("--json", action="store_true", help="print figures, not tables")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there is {', '.join(PARTS)}")
    options.parts = options.parts or PARTS
    return options


if __name__ == "__main__":
    main()
