"""A connection as Django knows it: a name, permissions and a place in the admin, and no table."""

from typing import TYPE_CHECKING

from django.db import models

from trivet.delivery.recorded_controls import SOCKET_TABLE
from trivet_admin.mirror.labels import PLATFORM_LABEL

if TYPE_CHECKING:
    Manager = models.Manager["Connection"]
else:  # Django's generic classes have no parameters at run time
    Manager = models.Manager


class NoRows(Manager):
    """Finds nothing, and asks nobody: generic pages and extensions query every model."""

    def get_queryset(self) -> "models.QuerySet[Connection]":
        return super().get_queryset().none()


class Connection(models.Model):
    """Gives the page of connections its permissions: ``trivet.view_connection`` and
    ``trivet.disconnect_connection``. Connections live in the memory of processes, so there is
    nothing to query."""

    objects = NoRows()

    class Meta:
        app_label = PLATFORM_LABEL
        managed = False
        base_manager_name = "objects"
        # By this name the audit trail knows what staff disconnected.
        db_table = SOCKET_TABLE
        default_permissions = ("view", "disconnect")
        verbose_name = "live connection"
