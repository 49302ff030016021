"""The realtime room: what its sockets promise, over a real server."""
