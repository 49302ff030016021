"""A feature whose pages break, to see what people are shown then."""
