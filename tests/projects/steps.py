"""What is done with each class, in this order."""

STEPS = ("shown", "added", "found", "changed", "untouched", "told", "deleted")
