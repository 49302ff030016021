"""The ASGI side: the root application, its mounts and its middleware."""
