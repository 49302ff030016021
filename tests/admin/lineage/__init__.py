"""A museum: classes that inherit from one another in every way, and classes that are only read."""
