"""Users: Django's house of them, with an email address that is theirs alone."""
