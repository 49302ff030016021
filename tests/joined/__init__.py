"""An existing Django project, as the tests have it join."""
