from django.apps import AppConfig


class PollsConfig(AppConfig):
    name = "tests.joined.polls"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tests.joined.polls import signals

        signals.connect()
