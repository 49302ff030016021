"""Settings of the Django peers: a pool of the size of everyone's, and nothing that an API of
keys does without (sessions, CSRF, templates)."""

from typing import Any

from sqlalchemy import make_url

from benchmarks.peers.keys import POOL, database_url

_url = make_url(database_url())
SECRET_KEY = "a-secret-of-a-benchmark-that-guards-nothing"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "benchmarks.peers.django_house.urls"
INSTALLED_APPS = ["rest_framework", "benchmarks.peers.django_house"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": _url.host,
        "PORT": _url.port,
        "NAME": _url.database,
        "USER": _url.username,
        "PASSWORD": _url.password,
        "OPTIONS": {"pool": {"min_size": POOL, "max_size": POOL}},
    }
}
REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}  # whose class needs django.contrib.auth
