"""Flask. A WSGI application has no lifespan."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

from flask import Flask, Response, request, url_for

from tests.deploy.foreign import refuse, who

app = Flask(__name__)
app.config["PROPAGATE_EXCEPTIONS"] = True


@app.get("/")
def home() -> dict[str, object]:
    return {"home": True}


@app.get("/who/<name>")
def asked(name: str) -> dict[str, object]:
    return who(request.environ["asgi.scope"], name, url_for("asked", name="x", _external=True))


@app.post("/length")
def length() -> dict[str, object]:
    return {"bytes": len(request.get_data())}


@app.post("/digest")
def digest() -> dict[str, object]:
    """The body, read as a stream: its length and its digest."""
    read, sum_ = 0, hashlib.sha256()
    while piece := request.stream.read(65_536):
        read += len(piece)
        sum_.update(piece)
    return {"bytes": read, "sha256": sum_.hexdigest()}


@app.post("/lines")
def lines() -> dict[str, object]:
    """The body by lines, the first one by a bounded `readline`."""
    first = request.stream.readline(4)
    return {"first": first.decode(), "rest": [len(line) for line in request.stream]}


@app.post("/form")
def form() -> dict[str, object]:
    sent = request.files["file"]
    return {"name": request.form["name"], "bytes": len(sent.read())}


@app.get("/download/<int:megabytes>")
def download(megabytes: int) -> Response:
    return Response(b"x" * 2**20 for _ in range(megabytes))


@app.get("/endless")
def endless() -> Response:
    """A body without end. A file in the working directory says that it was closed."""

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 1024
                threading.Event().wait(0.01)
        finally:
            Path("closed").touch()

    return Response(pieces())


@app.get("/headers")
def headers() -> dict[str, object]:
    return {name: value for name, value in request.environ.items() if name.startswith("HTTP_")}


@app.get("/taken")
def taken() -> str:
    refuse()
