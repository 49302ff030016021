"""A feature of classes as others have them: named, related and placed as no Django project is."""
