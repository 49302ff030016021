"""The application that Gunicorn serves in threads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.django_admin.settings"
app = get_wsgi_application()
