"""Variables that people set for Gunicorn or uvicorn out of habit, and that are not read here.

Each has a setting that does the same; a variable that does nothing, without a word, would be
found out in production.
"""

from collections.abc import Iterator, Mapping

from trivet_deploy.checks.finding import Finding, advise

INSTEAD = {
    "FORWARDED_ALLOW_IPS": "TRIVET_TRUSTED_PROXIES says whose forwarded headers are believed",
    "GUNICORN_CMD_ARGS": (
        "--bind and --workers are options of `trivet serve`, --timeout is TRIVET_WORKER_SECONDS, "
        "--keep-alive TRIVET_KEEP_ALIVE_SECONDS, --max-requests TRIVET_WORKER_REQUESTS, "
        "--max-requests-jitter TRIVET_WORKER_REQUESTS_JITTER, --graceful-timeout "
        "TRIVET_SHUTDOWN_SECONDS, --forwarded-allow-ips TRIVET_TRUSTED_PROXIES, --log-level "
        "TRIVET_LOG_LEVEL"
    ),
    "UVICORN_WORKERS": "WEB_CONCURRENCY or `trivet serve --workers` says how many there are",
    "UVICORN_TIMEOUT_KEEP_ALIVE": "TRIVET_KEEP_ALIVE_SECONDS says how long connections are kept",
    "UVICORN_ROOT_PATH": "TRIVET_PUBLIC_URL says the prefix, as its path",
}


def find_unread(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Advice for each variable that is set and would do nothing."""
    for name, instead in INSTEAD.items():
        if environment.get(name):
            yield advise(name, f"is not read; {instead}")
