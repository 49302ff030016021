"""Resources, from their fields to their writing."""
