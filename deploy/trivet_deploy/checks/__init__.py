"""The checks of `trivet check`, a noun a module.

What cannot work is refused when the application starts, too (`start`); the rest is advice: it
works, and is probably not what its author meant.
"""
