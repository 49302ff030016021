from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "trivet_admin.users"
    label = "accounts"
    verbose_name = "Access"

    def ready(self) -> None:
        from trivet_admin.users import observers

        observers.connect()
