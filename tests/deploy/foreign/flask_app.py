"""Flask. A WSGI application has no lifespan."""

from flask import Flask, request, url_for

from tests.deploy.foreign import who

app = Flask(__name__)


@app.get("/")
def home() -> dict[str, object]:
    return {"home": True}


@app.get("/who/<name>")
def asked(name: str) -> dict[str, object]:
    return who(request.environ["asgi.scope"], name, url_for("asked", name="x", _external=True))


@app.post("/length")
def length() -> dict[str, object]:
    return {"bytes": len(request.get_data())}
