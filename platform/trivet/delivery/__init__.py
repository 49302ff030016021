"""After the commit: wake-ups and the relay, which bring what was published to subscribers."""
