"""A shop for books, whose API is resources."""
