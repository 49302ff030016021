"""Flask, in Gunicorn's threads."""

from flask import Flask, Response, jsonify

app = Flask(__name__)


@app.get("/greeting")
def greet() -> Response:
    return jsonify(greeting="hello", number=42)
