"""A feature in which everything goes wrong, in each way in which a request can."""
