"""Sessions, connections and the unit of work."""
