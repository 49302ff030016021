from django.db import migrations


class Migration(migrations.Migration):
    """The manager of users is ours, and none that a migration needs."""

    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelManagers(name="user", managers=[]),
    ]
