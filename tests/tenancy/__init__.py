"""Two schools in one database, and everybody who asks for their rows."""
