"""The commands of the protocol: each a function, found by its name in `dispatch.HANDLERS`.

A handler takes the session and the request, and returns the result. It neither replies nor refuses:
the caller does, so that a WebSocket, a stream of HTTP and the server API share the handlers.
"""
