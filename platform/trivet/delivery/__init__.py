"""The delivery after the commit: wake-ups, and the relay that serves subscribers."""
