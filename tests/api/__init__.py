"""The API's room."""
