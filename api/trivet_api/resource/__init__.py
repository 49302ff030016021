"""A mapped class as a typed resource of the API."""
