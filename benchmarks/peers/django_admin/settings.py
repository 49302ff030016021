"""Settings as `startproject` writes them, on the tables that Trivet has made."""

from benchmarks.peers.django_house.settings import DATABASES
from benchmarks.peers.keys import POOL

__all__ = ["DATABASES", "POOL"]

SECRET_KEY = "a-secret-of-a-benchmark-that-guards-nothing"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
USE_TZ = True
STATIC_URL = "/static/"
ROOT_URLCONF = "benchmarks.peers.django_admin.urls"
AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "benchmarks.peers.django_admin.apps.Accounts",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
