"""Brokers: each one carries the same messages under the same rules (`trivet.broker`)."""
