"""The server API: what programs of the installation may ask of the sockets, with a key.

It is Centrifugo's, so the packages that were made for it (``cent`` for Python) work with ours:
https://centrifugal.dev/docs/server/server_api
"""
