"""The capture of a flush, and its guards: the recorder of a session, old values, captured
tables, SQL text."""
