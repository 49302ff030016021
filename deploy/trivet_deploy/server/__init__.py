"""How Gunicorn and uvicorn serve the application."""
