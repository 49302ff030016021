"""Django's SQLite backend with our compilers and our unit of work."""
