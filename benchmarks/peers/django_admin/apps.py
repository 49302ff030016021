from django.apps import AppConfig


class Accounts(AppConfig):
    """Called as the tables are: those of users begin with this label."""

    name = "benchmarks.peers.django_admin"
    label = "accounts"
