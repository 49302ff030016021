"""What a Redis or Valkey has against us, in a sentence for its operator.

The broker and the counters of logins may lie in one. The texts of its replies hold no password;
those of the driver may hold the address with one, so of these only the kind is said.
"""

from collections.abc import Sequence

from redis import exceptions


def explain(error: BaseException, setting: str) -> str:
    """The sentence about `error`, of the service that `setting` names."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"its certificate is not trusted; {setting}=rediss://…?ssl_ca_certs=PATH"
    for kinds, sentence in _SENTENCES:
        if isinstance(error, kinds):
            return sentence.format(error, setting=setting)
    return type(error).__name__


_SENTENCES: Sequence[tuple[tuple[type[BaseException], ...], str]] = [
    (
        (exceptions.AuthenticationError, exceptions.AuthorizationError),
        "it does not accept the user or the password of {setting} ({})",
    ),
    ((exceptions.NoPermissionError,), "the user of {setting} lacks a right ({})"),
    (
        (exceptions.ReadOnlyError,),
        "it is a replica, and takes no writes; {setting} has to name the primary",
    ),
    ((exceptions.MaxConnectionsError,), "it takes no more connections"),
    ((exceptions.BusyLoadingError,), "it is loading its data"),
    ((exceptions.TimeoutError, TimeoutError), "no answer in time"),
    ((exceptions.ConnectionError, OSError), "no connection"),
    ((exceptions.ResponseError,), "it answers: {}"),
]
"""The first that fits counts: some of these classes are kinds of later ones."""
