"""A part of the feature that has a class by the name of another."""
