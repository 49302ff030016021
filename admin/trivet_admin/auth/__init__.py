"""Logins, sessions and password hashes: Django's, asked by every room."""
