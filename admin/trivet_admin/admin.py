"""The module that Django's autodiscovery imports; it registers the admin of the audit trail, and
that of live connections."""

from trivet_admin.audit import admin as audit
from trivet_admin.connections import admin as connections

__all__ = ["audit", "connections"]
