"""The admin site, and what a feature's ``admin.py`` registers."""
