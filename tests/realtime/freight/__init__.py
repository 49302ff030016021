"""A feature of the tests: consignments that people send, and who sees which of them live."""
