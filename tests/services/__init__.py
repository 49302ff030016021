"""Real services for the tests, none of which needs root, a container or an installation.

* `environment`: no test sees the settings of the machine it runs on;
* `postgres`: a PostgreSQL server of this run alone;
* `databases`: migrated databases on it, or on SQLite, quickly made;
* `people`: such databases with users and keys in them;
* `forks`: processes of Trivet that start quickly;
* `server`: Trivet as a server;
* `browser`: Chromium with a page;
* `node`: scripts over the npm packages of the tests;
* `loop`: async tests, in which whatever blocks the event loop fails.

Each module with fixtures is a pytest plugin that `tests/conftest.py` names. What is missing on a
machine is a failure with a sentence, never a skip.
"""
