"""Django's PostgreSQL backend with our compilers and our unit of work."""
