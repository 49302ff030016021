"""Django with its ORM in Gunicorn's threads, plain and with Django Ninja."""
