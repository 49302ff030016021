"""A feature of the tests: columns of the types that people have in models written without us."""
