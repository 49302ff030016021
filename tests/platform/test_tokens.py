"""Tokens of sockets: which ones hold, which ones do not, and what they carry."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.platform.token_keys import EC_KEY, RSA_KEY, pem
from trivet import Forbidden, Identity
from trivet.errors import ConfigurationError
from trivet.identity import ANONYMOUS
from trivet.identity.token_keys import PublicKey, TokenKeys, read_public_keys
from trivet.identity.tokens import ExpiredToken, InvalidToken, Tokens, open_tokens
from trivet_settings import load_settings

SECRET = "a-secret-that-signs-tokens-in-the-tests-only"
OTHER = "another-secret-that-signs-tokens-in-the-tests"
ADA = Identity(user_id=7, username="ada", kind="session", credential_id="session-1")


def tokens(audience: str = "", public: tuple[PublicKey, ...] = ()) -> Tokens:
    return Tokens(TokenKeys(SECRET, public), audience)


def signed(claims: Any, secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm=algorithm)


def by_hand(header: Any, claims: Any, secret: str = SECRET) -> str:
    """A token as RFC 7515 makes one, with no library between."""
    return of_text(header, json.dumps(claims), secret)


def of_text(header: Any, claims: str, secret: str = SECRET) -> str:
    """The same of claims that are any text."""

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    body = part(json.dumps(header).encode()) + b"." + part(claims.encode())
    mark = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    return (body + b"." + part(mark)).decode()


def test_what_a_connection_token_says_is_read_again() -> None:
    token = tokens().connection(ADA, info={"name": "Ada"}, channels=["beacons:a"], meta=[1])
    claims = tokens().read_connection(token)
    assert (claims.sub, claims.info, claims.meta) == ("7", {"name": "Ada"}, [1])
    assert claims.channels == ("beacons:a",)
    assert claims.credential == "session-1"
    assert claims.expires_at is not None
    assert time.time() < claims.expires_at <= time.time() + 600


def test_what_a_subscription_token_says_is_read_again() -> None:
    claims = tokens().read_subscription(tokens().subscription("beacons:a", ADA, info="x"))
    assert (claims.sub, claims.channel, claims.info) == ("7", "beacons:a", "x")


def test_the_claims_are_centrifugos() -> None:
    token = tokens("here").connection(ADA, seconds=60, info={}, channels=["a"], meta={})
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="here")
    assert claims.keys() == {"sub", "exp", "iat", "info", "channels", "meta", "aud", "credential"}
    token = tokens().subscription("a", ADA)
    assert jwt.decode(token, SECRET, algorithms=["HS256"]).keys() == {
        "sub",
        "exp",
        "iat",
        "channel",
    }


# The claims as Centrifugo (6.9.1) reads them: a claim of another type is an invalid token there. It
# ignores claims that it does not know.
WHOLE = (int,)
OF_BOTH: Any = {"sub": str, "exp": WHOLE, "iat": WHOLE, "nbf": WHOLE, "aud": (str, list)}
OF_BOTH |= {"expire_at": WHOLE, "info": object, "b64info": str, "jti": str, "iss": str}
OF_CONNECTION = OF_BOTH | {"channels": list, "subs": dict, "meta": object}
OF_SUBSCRIPTION = OF_BOTH | {"channel": str, "client": str, "data": object, "b64data": str}
OF_SUBSCRIPTION |= {"override": dict}


@pytest.mark.parametrize("identity", [ADA, ANONYMOUS])
@pytest.mark.parametrize("audience", ["", "here"])
@pytest.mark.parametrize("given", [{}, {"info": [None], "seconds": 0.9}])
def test_every_claim_is_of_the_type_that_centrifugo_reads(
    identity: Identity, audience: str, given: Any
) -> None:
    made = tokens(audience)
    pairs = [
        (made.connection(identity, **given, channels=["a"], meta={}), OF_CONNECTION),
        (made.connection(identity, **given), OF_CONNECTION),
        (made.subscription("a", identity, **given), OF_SUBSCRIPTION),
    ]
    for token, types in pairs:
        assert jwt.get_unverified_header(token)["alg"] in ("HS256", "HS384", "HS512")
        claims = jwt.decode(token, options={"verify_signature": False})
        claims.pop("credential", None)  # ours, and ignored there
        for name, value in claims.items():
            assert isinstance(value, types[name]), name
            assert not isinstance(value, bool)
        # A connection token with a channel is refused there, a subscription token without one too.
        assert ("channel" in claims) is (types is OF_SUBSCRIPTION)


def test_the_credential_is_in_the_meta_too_which_is_all_that_centrifugo_passes_on() -> None:
    read = tokens().read_connection
    assert read(tokens().connection(ADA)).meta == {"credential": "session-1"}
    assert read(tokens().connection(ADA, meta={"a": 1})).meta == {"a": 1}
    assert read(tokens().connection(ANONYMOUS)).meta is msgspec.UNSET


def test_nobody_has_an_empty_subject() -> None:
    assert tokens().read_connection(tokens().connection(ANONYMOUS)).sub == ""


def test_a_key_gets_no_token_because_its_scopes_would_be_lost() -> None:
    with pytest.raises(Forbidden, match="API key"):
        tokens().connection(Identity(user_id=7, username="ada", kind="key"))


# what is promised, the claims, when what it opens ends (None: never)
ENDS: list[tuple[str, Any, float | None]] = [
    ("without an end it never ends", {}, None),
    ("exp is the end", {"exp": 4_000_000_000}, 4_000_000_000),
    ("expire_at is another end", {"exp": 4_000_000_000, "expire_at": 4_000_000_001}, 4_000_000_001),
    ("expire_at 0 is none", {"exp": 4_000_000_000, "expire_at": 0}, None),
]


@pytest.mark.parametrize(("claims", "end"), [pytest.param(*e[1:], id=e[0]) for e in ENDS])
def test_the_end(claims: Any, end: float | None) -> None:
    assert tokens().read_connection(signed(claims)).expires_at == end


# what is promised, a token that does not hold
BAD: list[tuple[str, str]] = [
    ("no token", "x"),
    ("an empty token", ""),
    ("three empty parts", ".."),
    ("a signature of another secret", signed({"sub": "7"}, OTHER)),
    ("no signature at all", by_hand({"alg": "none"}, {"sub": "7"}).rsplit(".", 1)[0] + "."),
    ("a header that is a list", by_hand([], {"sub": "7"})),
    ("a header without an algorithm", by_hand({}, {"sub": "7"})),
    ("an algorithm that is a list", by_hand({"alg": ["HS256"]}, {"sub": "7"})),
    ("claims that are a list", by_hand({"alg": "HS256"}, [])),
    ("a subject that is a number", by_hand({"alg": "HS256"}, {"sub": 7})),
    ("an end that is a word", by_hand({"alg": "HS256"}, {"exp": "soon"})),
    ("an end that is no number", of_text({"alg": "HS256"}, '{"exp": NaN}')),
    ("an end without an end", of_text({"alg": "HS256"}, '{"exp": 1e400}')),
    ("another end that is no number", of_text({"alg": "HS256"}, '{"expire_at": NaN}')),
    ("another end without an end", of_text({"alg": "HS256"}, '{"expire_at": 1e400}')),
    ("half a character", of_text({"alg": "HS256"}, r'{"info": "\ud800"}')),
    ("half a character in a name", of_text({"alg": "HS256"}, r'{"trivet_session": "\ud800"}')),
    ("no number in what it tells", of_text({"alg": "HS256"}, '{"info": [NaN]}')),
    ("claims without an end", of_text({"alg": "HS256"}, '{"info": ' + "[" * 5000 + "}")),
    ("channels that are no list", signed({"channels": "a"})),
    ("a time before which it does not hold", signed({"nbf": 4_000_000_000})),
    ("a subscription token", signed({"channel": "a"})),
    ("an empty channel", signed({"channel": ""})),
    ("a public key as a secret", by_hand({"alg": "HS256"}, {"sub": "7"}, pem(RSA_KEY))),
]


@pytest.mark.parametrize("token", [pytest.param(bad[1], id=bad[0]) for bad in BAD])
def test_a_connection_token_does_not_hold_with(token: str) -> None:
    keys = (PublicKey(("RS256",), RSA_KEY.public_key()),)
    with pytest.raises(InvalidToken) as refused:
        tokens(public=keys).read_connection(token)
    assert not isinstance(refused.value, ExpiredToken)


def test_a_token_past_its_end_is_told_apart() -> None:
    with pytest.raises(ExpiredToken):
        tokens().read_connection(signed({"exp": 1}))
    with pytest.raises(InvalidToken) as forged:
        tokens().read_connection(signed({"exp": 1}, OTHER))
    assert not isinstance(forged.value, ExpiredToken)


@pytest.mark.parametrize("audience", [{}, {"aud": "there"}, {"aud": ["there", "elsewhere"]}])
def test_a_token_for_others_does_not_hold(audience: Any) -> None:
    with pytest.raises(InvalidToken):
        tokens("here").read_connection(signed(audience))


def test_an_audience_is_not_asked_for_unless_it_is_set() -> None:
    assert tokens().read_connection(signed({"aud": "there"})).sub == ""
    assert tokens("here").read_connection(signed({"aud": ["there", "here"]})).sub == ""


def test_a_connection_token_opens_no_subscription() -> None:
    with pytest.raises(InvalidToken, match="no subscription"):
        tokens().read_subscription(signed({"sub": "7"}))


@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS384"), (EC_KEY, "ES256")])
def test_a_key_in_pem_checks_tokens_of_somebody_else(
    key: Any, algorithm: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    path.write_text(pem(key))
    theirs = tokens(public=tuple(read_public_keys(path)))
    assert theirs.read_connection(jwt.encode({"sub": "9"}, key, algorithm=algorithm)).sub == "9"
    # and our own still hold
    assert theirs.read_connection(signed({"sub": "8"})).sub == "8"


def key_set(*keys: Any) -> str:
    return json.dumps({"keys": list(keys)})


def described(key: Any, name: str, **more: str) -> Any:
    algorithm = jwt.algorithms.RSAAlgorithm if key is RSA_KEY else jwt.algorithms.ECAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": name, **more}


def test_a_key_of_a_set_is_found_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_text(key_set(described(RSA_KEY, "one"), described(EC_KEY, "two")))
    theirs = tokens(public=tuple(read_public_keys(path)))

    def token(key: Any, algorithm: str, name: str) -> str:
        return jwt.encode({"sub": "9"}, key, algorithm=algorithm, headers={"kid": name})

    assert theirs.read_connection(token(RSA_KEY, "RS256", "one")).sub == "9"
    assert theirs.read_connection(token(EC_KEY, "ES256", "two")).sub == "9"
    for bad in (
        token(stranger, "RS256", "one"),
        token(RSA_KEY, "RS256", "three"),
        token(EC_KEY, "ES256", "one"),
    ):
        with pytest.raises(InvalidToken):
            theirs.read_connection(bad)


# what is wrong, the file
FILES: list[tuple[str, str]] = [
    ("nothing", ""),
    ("no key", "hello"),
    ("an empty set", key_set()),
    ("a set that is none", '{"kid": "one"}'),
    ("a set of no keys", '{"keys": [5]}'),
    ("a secret among public keys", key_set({"kty": "oct", "k": "AAAA", "kid": "one"})),
    ("a key for encryption alone", key_set(described(RSA_KEY, "one", use="enc"))),
    ("half a key", key_set({"kty": "RSA", "n": "AQAB", "kid": "one"})),
]


@pytest.mark.parametrize("text", [pytest.param(file[1], id=file[0]) for file in FILES])
def test_a_file_without_a_key_is_refused_at_the_start(text: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    settings = load_settings(env_file=None, secret_key=SECRET, token_public_keys=str(path))
    with pytest.raises(ConfigurationError, match="TRIVET_TOKEN_PUBLIC_KEYS"):
        open_tokens(settings)


def test_a_file_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere")
    settings = load_settings(env_file=None, secret_key=SECRET, token_public_keys=path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        open_tokens(settings)


def test_the_secret_of_tokens_is_not_the_secret_key_itself() -> None:
    ours = open_tokens(load_settings(env_file=None, secret_key=SECRET))
    assert ours.read_connection(ours.connection(ADA)).sub == "7"
    with pytest.raises(InvalidToken):
        ours.read_connection(signed({"sub": "7"}))
    set_apart = open_tokens(load_settings(env_file=None, secret_key=OTHER, token_secret=SECRET))
    assert set_apart.read_connection(signed({"sub": "7"})).sub == "7"
