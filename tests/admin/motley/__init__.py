"""A feature of classes as strangers have them: odd names, versions of every kind, dataclasses."""
