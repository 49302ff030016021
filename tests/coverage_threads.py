"""A plugin of coverage: greenlets are followed in the main thread only.

To follow greenlets, coverage asks in every thread for the current one, and notes it in a weak
dictionary. When such a thread ends, greenlet clears up after it on the main thread, in a
"pending call" of CPython's, and the dictionary's callback runs there as traced Python. CPython
3.11 never returns from that if another thread ends in the same moment: a traced function looks
for pending calls at its start, again and again, and none may run while one is running. Tests
stood still for that, at random.

Only event loops switch greenlets here, and they stand in main threads.
"""

import threading
from typing import Any

from coverage.collector import Collector


def coverage_init(_registry: object, _options: object) -> None:
    """Called by coverage before it measures, in every process."""
    Collector.concur_id_func = property(_read, _write)


def _read(collector: Any) -> Any:
    follows = threading.current_thread() is threading.main_thread()
    return collector.__dict__.get("concur_id_func") if follows else None


def _write(collector: Any, function: Any) -> None:
    collector.__dict__["concur_id_func"] = function
