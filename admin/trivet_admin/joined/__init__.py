"""Django applications that join: their settings, models, URLs and files.

They stay what they are: Django's models with Django's migrations. What they write is in the unit of
work of its request, in the audit trail and, where a feature says so, in channels.
"""
