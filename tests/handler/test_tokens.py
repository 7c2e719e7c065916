"""Tokens: which are taken, which are refused and why, by which keys."""

import warnings
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.tokens import KEYS_MAX, LEEWAY_S, TOKEN_CHARACTERS_MAX, Access, Tokens
from sqlatch.errors import Unauthorized
from sqlatch.tokens import new_key
from tests.forge import (
    LEFT_OUT,
    OTHER_PRIVATE,
    OTHER_PUBLIC,
    PRIVATE,
    PUBLIC,
    bearer,
    by_hand,
    claims,
    jwk,
    jwks,
    rsa,
)

NOW_S = 1_800_000_000.0
NESTED = urlsafe_b64encode(b"[" * 5_000).decode().rstrip("=")


def access(header: str | None, *, keys: str = PUBLIC, now_s: float = NOW_S) -> Access:
    return Tokens(keys).access(header, now_s)


def refusal(header: str | None, *, keys: str = PUBLIC, now_s: float = NOW_S) -> str:
    with pytest.raises(Unauthorized) as refused:
        access(header, keys=keys, now_s=now_s)
    return refused.value.message


def test_a_token_says_what_may_be_done_where() -> None:
    everything = access(bearer(NOW_S))
    little = access(bearer(NOW_S, access="ro", databases=["a", "b"]))

    assert (everything.writes, everything.databases) == (True, None)
    assert (little.writes, little.databases) == (False, frozenset({"a", "b"}))
    everything.allow("c")
    little.allow("b")
    with pytest.raises(Unauthorized, match="the token is not for database 'c'"):
        little.allow("c")


def test_the_identity_is_the_tokens_and_does_not_tell_it() -> None:
    header = bearer(NOW_S)

    first, again, another = access(header), access(header), access(bearer(NOW_S, exp=NOW_S + 61))

    assert first.identity == again.identity != another.identity
    assert first.identity not in header
    assert len(first.identity) == 64


def test_libsqls_claim_is_the_same_thing_where_ours_is_missing() -> None:
    assert access(bearer(NOW_S, access=LEFT_OUT, a="rw")).writes
    assert not access(bearer(NOW_S, access=LEFT_OUT, a="ro")).writes
    assert not access(bearer(NOW_S, access="ro", a="rw")).writes


def test_the_scheme_is_read_in_either_case() -> None:
    assert access(bearer(NOW_S).replace("Bearer", "bearer")).writes


TOO_LONG = bearer(NOW_S, padding="x" * TOKEN_CHARACTERS_MAX)

REFUSED: dict[str, tuple[Callable[[], str | None], str]] = {
    "missing": (lambda: None, "a token is missing: send it as authorization: Bearer TOKEN"),
    "empty": (lambda: "", "a token is missing: send it as authorization: Bearer TOKEN"),
    "no scheme": (
        lambda: bearer(NOW_S).removeprefix("Bearer "),
        "the authorization is malformed: send authorization: Bearer TOKEN",
    ),
    "basic": (
        lambda: "Basic dXNlcjpwYXNz",
        "the authorization is malformed: send authorization: Bearer TOKEN",
    ),
    "no token": (
        lambda: "Bearer ",
        "the authorization is malformed: send authorization: Bearer TOKEN",
    ),
    "two tokens": (
        lambda: f"{bearer(NOW_S)} {bearer(NOW_S)}",
        "the authorization is malformed: send authorization: Bearer TOKEN",
    ),
    "not ASCII": (
        lambda: "Bearer é.é.é",
        "the authorization is malformed: send authorization: Bearer TOKEN",
    ),
    "no JWT": (lambda: "Bearer token", "the token is malformed"),
    "a header nested deep": (lambda: f"Bearer {NESTED}.e30.e30", "the token is malformed"),
    "a part is missing": (lambda: bearer(NOW_S).rpartition(".")[0], "the token is malformed"),
    "too long": (
        lambda: TOO_LONG,
        f"the token has {len(TOO_LONG):,} characters, the limit is {TOKEN_CHARACTERS_MAX:,}",
    ),
    "expired": (
        lambda: bearer(NOW_S, exp=NOW_S - LEEWAY_S),
        "the token has expired",
    ),
    "no exp": (
        lambda: bearer(NOW_S, exp=LEFT_OUT),
        "the token has no end (`exp`); one is required",
    ),
    "exp is no time": (
        lambda: bearer(NOW_S, exp="tomorrow"),
        "the token's `exp` is not a time in seconds",
    ),
    "exp is a truth": (
        lambda: bearer(NOW_S, exp=True),
        "the token's `exp` is not a time in seconds",
    ),
    "exp is endless": (
        lambda: bearer(NOW_S, exp=float("inf")),
        "the token's `exp` is not a time in seconds",
    ),
    "exp is past every number": (
        lambda: bearer(NOW_S, exp=10**400),
        "the token's `exp` is not a time in seconds",
    ),
    "not yet valid": (
        lambda: bearer(NOW_S, nbf=NOW_S + LEEWAY_S + 1),
        "the token is not yet valid (`nbf`)",
    ),
    "issued later": (
        lambda: bearer(NOW_S, iat=NOW_S + LEEWAY_S + 1),
        "the token is not yet issued (`iat`)",
    ),
    "wrong key": (
        lambda: bearer(NOW_S, key=OTHER_PRIVATE),
        "the token is signed by no key that is known here",
    ),
    "alg none": (
        lambda: by_hand({"alg": "none", "typ": "JWT"}, claims(NOW_S)),
        "the token is not signed by EdDSA, which the keys here are for",
    ),
    "the public key as a secret": (
        lambda: by_hand({"alg": "HS256", "typ": "JWT"}, claims(NOW_S), secret=PUBLIC),
        "the token is not signed by EdDSA, which the keys here are for",
    ),
    "wrong algorithm": (
        lambda: bearer(NOW_S, key=rsa()[0], algorithm="RS256"),
        "the token is not signed by EdDSA, which the keys here are for",
    ),
    "no signature": (
        lambda: by_hand({"alg": "EdDSA"}, claims(NOW_S)),
        "the token is signed by no key that is known here",
    ),
    "claims changed": (
        lambda: _with_claims_of(bearer(NOW_S, access="ro"), bearer(NOW_S)),
        "the token is signed by no key that is known here",
    ),
    "for an audience": (
        lambda: bearer(NOW_S, aud="somebody else"),
        "the token is for an audience (`aud`)",
    ),
    "no access": (
        lambda: bearer(NOW_S, access=LEFT_OUT),
        "the token's `access` is not `rw` or `ro`",
    ),
    "another access": (
        lambda: bearer(NOW_S, access="admin"),
        "the token's `access` is not `rw` or `ro`",
    ),
    "a list of accesses": (
        lambda: bearer(NOW_S, access=["rw"]),
        "the token's `access` is not `rw` or `ro`",
    ),
    "access null and libSQL's": (
        lambda: bearer(NOW_S, access=None, a="rw"),
        "the token's `access` is not `rw` or `ro`",
    ),
    "no databases": (
        lambda: bearer(NOW_S, databases=LEFT_OUT),
        "the token's `databases` is neither a list of names nor '*'",
    ),
    "a database that is no list": (
        lambda: bearer(NOW_S, databases="main"),
        "the token's `databases` is neither a list of names nor '*'",
    ),
    "a database that is no name": (
        lambda: bearer(NOW_S, databases=[1]),
        "the token's `databases` is neither a list of names nor '*'",
    ),
}


def _with_claims_of(signed: str, other: str) -> str:
    header, _, signature = signed.split(".")
    return ".".join([header, other.split(".")[1], signature])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_and_why(name: str) -> None:
    make, message = REFUSED[name]
    header = make()

    assert refusal(header) == message
    for part in (header or "").removeprefix("Bearer ").split("."):
        assert len(part) < 10 or part not in message


def test_clocks_may_differ_by_the_leeway_and_no_more() -> None:
    assert access(bearer(NOW_S, exp=NOW_S - LEEWAY_S + 1)).writes
    assert access(bearer(NOW_S, nbf=NOW_S + LEEWAY_S, iat=NOW_S + LEEWAY_S)).writes


def test_the_clock_is_the_one_handed_in() -> None:
    assert access(bearer(1_000.0), now_s=1_000.0).writes
    assert refusal(bearer(1_000.0), now_s=NOW_S) == "the token has expired"


@pytest.mark.parametrize("keys", ["", " \n"])
def test_without_a_key_no_token_is_taken(keys: str) -> None:
    message = "SQLATCH_TOKEN_KEYS: no key is set, so tokens are refused; set a key"

    assert refusal(bearer(NOW_S), keys=keys) == message
    assert refusal(None, keys=keys) == message


@pytest.mark.parametrize("form", [str, lambda pem: jwks(jwk(pem))], ids=["PEM", "JWKS"])
def test_an_rsa_key_takes_rs256_and_nothing_else(form: Any) -> None:
    private, public = rsa()
    keys = form(public)

    assert access(bearer(NOW_S, key=private, algorithm="RS256"), keys=keys).writes
    for algorithm in ("RS384", "PS256"):
        header = bearer(NOW_S, key=private, algorithm=algorithm)
        assert refusal(header, keys=keys).startswith("the token is not signed by RS256")
    confused = by_hand({"alg": "HS256", "typ": "JWT"}, claims(NOW_S), secret=public)
    assert refusal(confused, keys=keys).startswith("the token is not signed by RS256")
    assert refusal(bearer(NOW_S), keys=keys).startswith("the token is not signed by RS256")


@pytest.mark.parametrize("between", ["", "\n", "\n\n  "])
def test_keys_are_rotated_one_behind_the_other(between: str) -> None:
    private, public = rsa()
    keys = between.join([PUBLIC, public, OTHER_PUBLIC])

    assert access(bearer(NOW_S), keys=keys).writes
    assert access(bearer(NOW_S, key=OTHER_PRIVATE), keys=keys).writes
    assert access(bearer(NOW_S, key=private, algorithm="RS256"), keys=keys).writes
    assert access(bearer(NOW_S, headers={"kid": "any"}), keys=keys).writes
    assert refusal(bearer(NOW_S, key=new_key()[0]), keys=keys) == (
        "the token is signed by no key that is known here"
    )
    assert refusal(bearer(NOW_S, key=OTHER_PRIVATE), keys=PUBLIC + public) == (
        "the token is signed by no key that is known here"
    )


@pytest.mark.parametrize("lost", ["", " ", "\r\n"])
def test_a_key_may_have_lost_its_line_ends(lost: str) -> None:
    assert access(bearer(NOW_S), keys=PUBLIC.replace("\n", lost)).writes


def test_a_kid_chooses_the_key_of_a_jwks() -> None:
    keys = jwks(jwk(PUBLIC, kid="old"), jwk(OTHER_PUBLIC, kid="new"))

    assert access(bearer(NOW_S, headers={"kid": "old"}), keys=keys).writes
    assert access(bearer(NOW_S, key=OTHER_PRIVATE, headers={"kid": "new"}), keys=keys).writes
    assert access(bearer(NOW_S, key=OTHER_PRIVATE), keys=keys).writes, "each in turn"
    assert refusal(bearer(NOW_S, headers={"kid": "new"}), keys=keys) == (
        "the token is signed by no key that is known here"
    )
    assert refusal(bearer(NOW_S, headers={"kid": "unknown"}), keys=keys) == (
        "the token names a key (`kid`) that is not known here"
    )


def test_keys_of_a_jwks_for_other_uses_are_left_out() -> None:
    others = [
        jwk(OTHER_PUBLIC, use="enc"),
        jwk(rsa()[1], alg="RSA-OAEP"),
        {"kty": "EC", "crv": "P-256", "x": "", "y": ""},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "OKP", "crv": "X25519", "x": ""},
    ]

    assert access(bearer(NOW_S), keys=jwks(*others, jwk(PUBLIC, use="sig"))).writes
    assert refusal(bearer(NOW_S, key=OTHER_PRIVATE), keys=jwks(*others, jwk(PUBLIC))) == (
        "the token is signed by no key that is known here"
    )
    assert "holds 0 usable keys" in refusal(bearer(NOW_S), keys=jwks(*others))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (PRIVATE, "takes PUBLIC KEY, and holds PRIVATE KEY"),
        (PUBLIC + PRIVATE, "takes PUBLIC KEY, and holds PRIVATE KEY"),
        ("a secret", "holds text that is neither a PEM public key nor a JWKS"),
        (PUBLIC + "and more", "holds text that is neither a PEM public key nor a JWKS"),
        (PUBLIC[:-5], "holds text that is neither a PEM public key nor a JWKS"),
        (PUBLIC.replace("MCow", "AAAA"), "a key cannot be read"),
        (PUBLIC.replace("MCow", "é"), "a key cannot be read"),
        ("{", 'is not a JWKS: {"keys": [...]}'),
        ("{}", 'is not a JWKS: {"keys": [...]}'),
        ('{"keys": 1}', 'is not a JWKS: {"keys": [...]}'),
        ('{"keys": ["key"]}', 'is not a JWKS: {"keys": [...]}'),
        (jwks(), f"holds 0 usable keys; give 1 to {KEYS_MAX}"),
        (PUBLIC * (KEYS_MAX + 1), f"holds {KEYS_MAX + 1} usable keys; give 1 to {KEYS_MAX}"),
        (jwks(jwk(PUBLIC, d="secret")), "holds a private key; give the public one"),
        (jwks(jwk(PUBLIC, x="AAAA")), "a key cannot be read"),
        (jwks(jwk(PUBLIC, x=1)), "a key cannot be read"),
        (jwks({"kty": "RSA"}), "a key cannot be read"),
    ],
)
def test_keys_that_cannot_be_used_close_the_door_and_are_not_shown(keys: str, message: str) -> None:
    refused = refusal(bearer(NOW_S), keys=keys)

    assert refused.startswith(f"SQLATCH_TOKEN_KEYS: {message}")
    assert "MC4CAQ" not in refused


def test_a_short_rsa_key_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        private, public = rsa(1024)
        header = bearer(NOW_S, key=private, algorithm="RS256")

    assert refusal(header, keys=public) == "SQLATCH_TOKEN_KEYS: an RSA key has less than 2048 bits"


def test_the_most_keys_are_taken() -> None:
    assert access(bearer(NOW_S), keys=OTHER_PUBLIC * (KEYS_MAX - 1) + PUBLIC).writes


@given(st.text(max_size=200) | st.from_regex(r"Bearer [\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_no_header_is_answered_but_by_a_refusal(header: str) -> None:
    assert refusal(header)


@given(
    st.dictionaries(
        st.sampled_from(["access", "a", "databases", "exp", "nbf", "iat", "aud", "sub", "jti"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_no_claims_are_answered_but_by_an_access_or_a_refusal(changes: dict[str, Any]) -> None:
    header = by_hand_signed(changes)
    try:
        granted = access(header)
    except Unauthorized:
        return

    assert granted.databases is None or isinstance(granted.databases, frozenset)


def by_hand_signed(changes: dict[str, Any]) -> str:
    """A token with any claims, signed by a key that is known: the library signs not all of them."""
    import json

    import jwt

    payload = json.dumps(claims(NOW_S, **changes)).encode()
    return f"Bearer {jwt.PyJWS().encode(payload, PRIVATE, algorithm='EdDSA')}"
