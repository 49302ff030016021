"""Warnings that are logged once for each value, and for a bounded number of values.

Clients choose the values (a Host, an Origin), so neither the log nor the memory may grow with them.
"""

import logging

MOST = 100
"""Values that are remembered; further ones are not logged."""


class OnceLogger:
    """Logs `sentence` once for each value that it is about.

    Args:
        logger: The logger of the module that refuses.
        sentence: With one ``%s`` for the value, which is written as Python writes a text, so that
            no control character reaches a console.
    """

    def __init__(self, logger: logging.Logger, sentence: str) -> None:
        self._logger = logger
        self._sentence = sentence
        self._seen: set[str] = set()

    def warn(self, value: str) -> None:
        """Log the sentence about `value`, unless that was done already."""
        if value not in self._seen and len(self._seen) < MOST:
            self._seen.add(value)
            self._logger.warning(self._sentence, ascii(value))
