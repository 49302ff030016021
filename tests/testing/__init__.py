"""What `trivet.testing` promises to the author of a feature."""
