"""What `trivet shell` works with: lines of Python that run in a unit of work.

The event loop of the units is on a thread of its own. The terminal belongs to the main thread, so
that an editor of lines, IPython's too, has it as in any program, and waits for nobody.
"""
