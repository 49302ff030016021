"""A feature of the tests: beacons that are lit in harbours, and who may watch them."""
