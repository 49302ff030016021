"""The audit trail as staff read it."""
