"""A feature of the tests: a shop's stock, with every column type and relation of the mirror."""
