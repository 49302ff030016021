"""The mirror: unmanaged Django models derived from mapped classes, so that Django's admin,
forms and querysets work on tables that SQLAlchemy owns."""
