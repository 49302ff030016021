"""A feature of the tests: rooms in which people talk, with everything that a namespace can have."""
