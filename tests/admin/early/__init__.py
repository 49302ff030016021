"""A feature that renders templates while it is imported, as some Django applications do."""
