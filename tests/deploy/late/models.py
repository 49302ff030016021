"""No table: it is here to be imported."""
