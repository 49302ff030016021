"""A feature of the tests: schools, with courses and their lessons."""
