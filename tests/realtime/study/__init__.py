"""A feature of the tests: channels for single users, by their names alone."""
