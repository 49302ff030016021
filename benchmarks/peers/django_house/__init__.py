"""Django with its ORM in Gunicorn's threads: plain, by Django Ninja, by Django REST framework."""
