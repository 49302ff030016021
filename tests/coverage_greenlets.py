"""A plugin of coverage: each greenlet is traced as if it were a thread.

SQLAlchemy runs services in greenlets, whose calls and returns interleave with those of the event
loop; one tracer for all would take the lines of one for those of another. Coverage's own way is
to ask for the current greenlet at every call and return, in libraries too, and to look it up in
a weak dictionary. That alone costs as much again as half of all tests, and CPython 3.11 can hang
in it: what an ended thread leaves in the dictionary is cleared up on the main thread in a
"pending call", from which it never returns if another thread ends in the same moment.

Here a greenlet gets a tracer of its own when it is switched to, and that is all. Only event loops
switch greenlets here, and they stand in main threads.
"""

import sys
import threading
from typing import Any

import greenlet  # type: ignore[import-untyped]  # it ships no types
from coverage.collector import Collector
from coverage.tracer import CTracer

_idle: list[CTracer] = []


def coverage_init(_registry: object, _options: object) -> None:
    """Called by coverage before it measures, in every process and on its main thread."""
    _idle.clear()  # in a forked process, they belong to the collector of its parent
    greenlet.settrace(_exchange)
    # At every call of ours a tracer takes a lock, for the length of a look into a dictionary.
    # As a plain lock, blockbuster would watch it, and fail a test whose threads meet there.
    lock = threading.RLock()
    Collector.data_lock = property(lambda _: lock, lambda *_: None)


def _exchange(_event: str, greenlets: tuple[Any, Any]) -> None:
    """Called after every switch of greenlets, on the stack of the one that goes on."""
    left, entered = greenlets
    tracer: Any = sys.gettrace()
    if not isinstance(tracer, CTracer):
        return  # nothing is measured at this moment
    if left.dead:
        _idle.append(tracer)
    else:
        left.tracer = tracer
    own = entered.__dict__.pop("tracer", None) or (_idle.pop() if _idle else None)
    if own is None:
        Collector._collectors[-1]._start_tracer()
    else:
        own.start()
