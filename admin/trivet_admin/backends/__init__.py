"""Database backends: Django reads, SQLAlchemy writes.

Every write of Django's ORM, from any caller, passes the SQL compilers of its database
backend. Ours hand the writes of mirrored models to a SQLAlchemy session on Django's own
connection, and the connection's wrapper owns the unit of work: one session for each
outermost ``atomic()``, with the publications written just before the real COMMIT.
"""
