from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "trivet_admin.users"
    label = "accounts"
    verbose_name = "Access"
    default_auto_field = "django.db.models.BigAutoField"  # as its migration has it

    def ready(self) -> None:
        from trivet_admin.users import observers

        observers.connect()
