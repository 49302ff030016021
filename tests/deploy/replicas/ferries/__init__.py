"""A feature whose answers say which server was read from."""
