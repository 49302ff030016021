"""For English, the admin's language."""
