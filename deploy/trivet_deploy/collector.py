"""The collector of garbage: it looks seldom while a process starts, and as usual while it serves.

A start makes hundreds of thousands of objects, and all of them stay. Python's collector looks again
each time 700 are new, and finds nothing: that is a quarter of the start of a command.
"""

import gc

SELDOM = 500_000
"""New objects between two looks; about fifty megabytes if all of them were garbage."""
_USUAL = gc.get_threshold()


def collect_seldom() -> None:
    """Let the collector look seldom: for a command, and for the start of a server."""
    gc.set_threshold(SELDOM, *_USUAL[1:])


def collect_as_usual() -> None:
    """Let the collector look as often as Python has it, and no more at what was loaded so far."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_USUAL)
