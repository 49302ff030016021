"""Refusals and faults of a WSGI application."""

from collections.abc import Iterator

from flask import Flask, Response, abort

app = Flask(__name__)


@app.get("/lost")
def lost() -> str:
    raise LookupError("lost in Flask")


@app.get("/refused/<int:status>")
def refused(status: int) -> str:
    abort(status)


@app.get("/stream")
def stream() -> Response:
    def chunks() -> Iterator[str]:
        yield from ["begun"] * 100
        raise LookupError("lost in a stream of Flask")

    return Response(chunks())
