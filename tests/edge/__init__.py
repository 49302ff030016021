"""The edge: requests as bytes, and what comes back, with and without a proxy in front."""
