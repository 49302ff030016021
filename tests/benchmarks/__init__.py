"""The benchmark's own promise: that what it compares is comparable."""
