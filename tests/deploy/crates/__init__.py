"""A feature of the server tests: crates in docks, and a process that dies at the worst moment."""
