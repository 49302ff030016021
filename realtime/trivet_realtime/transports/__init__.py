"""Ways to a client where no WebSocket passes: a response that goes on, and requests beside it."""
