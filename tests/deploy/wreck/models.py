"""No table of its own: it breaks the pages of another feature."""
