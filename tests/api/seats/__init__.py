"""A feature of the tests: an API without data."""
