"""The roof of the house: the one place that knows every room.

Here are the ASGI entry, the command line and the Gunicorn worker. Nothing below imports this.
"""
