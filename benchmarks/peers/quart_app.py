"""Quart, Flask's async sibling."""

from quart import Quart, Response, jsonify

app = Quart(__name__)


@app.get("/greeting")
async def greet() -> Response:
    return jsonify(greeting="hello", number=42)
