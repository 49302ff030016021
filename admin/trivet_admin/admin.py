"""The module that Django's autodiscovery imports; it registers the admin of the audit trail."""

from trivet_admin.audit import admin as audit

__all__ = ["audit"]
