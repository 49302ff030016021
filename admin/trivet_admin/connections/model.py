"""A connection as Django knows it: a name, permissions and a place in the admin, and no table."""

from django.db import models

from trivet.delivery.recorded_controls import SOCKET_TABLE
from trivet_admin.mirror.labels import PLATFORM_LABEL


class Connection(models.Model):
    """Gives the page of connections its permissions: ``trivet.view_connection`` and
    ``trivet.disconnect_connection``. Connections live in the memory of processes, so there is
    nothing to query."""

    class Meta:
        app_label = PLATFORM_LABEL
        managed = False
        # By this name the audit trail knows what staff disconnected.
        db_table = SOCKET_TABLE
        default_permissions = ("view", "disconnect")
        verbose_name = "live connection"
