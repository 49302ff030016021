"""FastAPI alone: what the framework costs without any duty."""

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI(openapi_url=None)


class Greeting(BaseModel):
    greeting: str
    number: int


@app.get("/greeting")
async def greet() -> Greeting:
    return Greeting(greeting="hello", number=42)
