"""Foreign applications, ASGI or WSGI, under a prefix."""
