"""The collector of garbage: it looks seldom while a process starts, and less than it would while
it serves.

A start makes hundreds of thousands of objects, and all of them stay. Python's collector looks again
each time 700 are new, and finds nothing: that is a quarter of the start of a command. A request
makes some hundred, so while a process serves the collector would look after every few requests,
and find next to nothing again: that is one part in twenty of a read.
"""

import gc

SELDOM = 500_000
"""New objects between two looks; about fifty megabytes if all of them were garbage."""
SERVING = 2_000
"""The same while a process serves: what Python itself has from 3.13 on. More would leave to chance
for how long a connection is open whose making was cancelled."""
_OLDER = gc.get_threshold()[1:]


def collect_seldom() -> None:
    """Let the collector look seldom: for a command, and for the start of a server."""
    gc.set_threshold(SELDOM, *_OLDER)


def collect_for_serving() -> None:
    """Let the collector look as often as a server needs, and no more at what was loaded so far."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(SERVING, *_OLDER)
