"""What `trivet check` knows of an installation, a noun a module.

What cannot work is refused when the application starts, too (`start`); the rest is advice: it
works, and is probably not what its author meant.
"""
