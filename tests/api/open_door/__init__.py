"""A feature of the tests that forgot to say who may call it."""
