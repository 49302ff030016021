"""A library that lends: an API of resources that has every kind of them, to be asked anything."""
