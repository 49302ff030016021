"""The keys that sign tokens, and those with which tokens of others are checked.

One secret signs and checks tokens of our own (HS256). Public keys check tokens that somebody else
signs, such as an identity provider (RS256, ES256 and their longer kinds). A kind of key belongs to
its algorithms: a public key is never used as a secret, which anybody could sign with.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivet.errors import ConfigurationError
from trivet_settings import Settings

if TYPE_CHECKING:
    from jwt import PyJWK

SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
_OF_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_OF_RSA = ("RS256", "RS384", "RS512")
_VARIABLE = "TRIVET_TOKEN_PUBLIC_KEYS"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that checks signatures. `key_id` is its name in a token's header; may be empty."""

    algorithms: tuple[str, ...]
    key: Any = field(repr=False)
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """All keys of an installation."""

    secret: str = field(repr=False)
    public: Sequence[PublicKey] = ()

    def find(self, header: Mapping[str, Any]) -> tuple[Any, str] | None:
        """The key, and the algorithm, for a token with this header; None if there is none."""
        algorithm, key_id = header.get("alg"), header.get("kid", "")
        if algorithm in SECRET_ALGORITHMS:
            return self.secret, algorithm
        fitting = [each for each in self.public if algorithm in each.algorithms]
        named = [each for each in fitting if each.key_id == key_id]
        for each in named or [each for each in fitting if not key_id or not each.key_id]:
            return each.key, str(algorithm)
        return None


def read_token_keys(settings: Settings) -> TokenKeys:
    """The keys that the settings name. Raises ConfigurationError for a file without any."""
    secret = settings.token_secret.get_secret_value() or derive(settings)
    path = settings.token_public_keys
    return TokenKeys(secret, read_public_keys(Path(path)) if path else ())


def derive(settings: Settings) -> str:
    """The secret of tokens where none is set: of the installation's, but not the same."""
    key = settings.secret_key.get_secret_value().encode()
    return hmac.new(key, b"trivet realtime tokens", hashlib.sha256).hexdigest()


def read_public_keys(path: Path) -> Sequence[PublicKey]:
    """The keys in a file: one in PEM, or several as JSON (JWKS, RFC 7517)."""
    try:
        text = path.read_text("utf-8")
        return _read_set(text) if text.lstrip().startswith("{") else [_read_pem(text)]
    except OSError as error:
        raise _bad(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _bad(f"{path} holds no public key in PEM and no set of keys in JSON.") from error


def _read_set(text: str) -> Sequence[PublicKey]:
    from jwt import PyJWK, PyJWTError

    keys = []
    for each in json.loads(text)["keys"]:
        if each.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK(each)
        except PyJWTError as error:
            raise ValueError("a key of the set cannot be read") from error
        keys.append(PublicKey(_algorithms_of(key), key.key, key.key_id or ""))
    if not keys:
        raise ValueError("the set is empty")
    return keys


def _algorithms_of(key: "PyJWK") -> tuple[str, ...]:
    if key.key_type not in ("RSA", "EC"):
        # A symmetric key in a file of public keys would let every reader of it sign.
        raise ValueError("a key of the set is neither RSA nor EC")
    return _OF_RSA if key.key_type == "RSA" else (str(key.algorithm_name),)


def _read_pem(text: str) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(text.encode())
    if isinstance(key, RSAPublicKey):
        return PublicKey(_OF_RSA, key)
    if isinstance(key, EllipticCurvePublicKey):
        return PublicKey(
            (_OF_CURVES[{256: "P-256", 384: "P-384"}.get(key.key_size, "P-521")],), key
        )
    raise ValueError("the key is neither RSA nor EC")


def _bad(detail: str) -> ConfigurationError:
    return ConfigurationError("bad-token-keys", f"{_VARIABLE}: {detail}")
