"""What a flush wrote, and what would slip past: the recorder of a session, old values, captured
tables, SQL text."""
