"""The code that `trivet new` writes: projects, features and models, as their authors would.

Whatever keeps a name, a field or a type from working later is refused here with its cure, before
anything is written. What is written is all or nothing.
"""
