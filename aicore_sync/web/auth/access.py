"""Who may act, as values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EVERYBODY = "*"
LONGEST_NAME = 100


@dataclass(frozen=True)
class User:
    """Somebody who may act. `name` stands in commits and events."""

    name: str


@dataclass(frozen=True)
class TokenHolder:
    """A name and its token, read anew whenever it is needed."""

    name: str
    read: Callable[[], str]


@dataclass(frozen=True)
class OidcClient:
    """Our registration with an OpenID Connect provider. `allow`: values of `allow_claim` that may act."""

    issuer: str
    client_id: str
    client_secret: Callable[[], str]
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    user_claim: str = "email"
    allow_claim: str = "groups"
    allow: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Access:
    """Everything that decides who may act. Without tokens and provider nobody may.

    `session_key` signs cookies; `session` is in seconds; `required`: reading needs the login too.
    `public_url` is how people reach us, "" when that is not known.
    """

    tokens: tuple[TokenHolder, ...] = ()
    oidc: OidcClient | None = None
    session_key: str = ""
    session: float = 28800.0
    required: bool = False
    public_url: str = ""

    @property
    def possible(self) -> bool:
        """True when somebody may act."""
        return bool(self.tokens or self.oidc)

    @property
    def secure(self) -> bool:
        """True when browsers come over https, so that cookies may be kept off plain http."""
        return self.public_url.startswith("https://")


def user_of_claims(client: OidcClient, claims: Mapping[str, Any]) -> User | None:
    """Who a provider says it is; None for somebody who may not act here.

    An address that the provider itself calls unverified names nobody: anyone could have typed it.
    """
    allowed = EVERYBODY in client.allow or not client.allow.isdisjoint(_words(claims.get(client.allow_claim)))
    unverified = client.user_claim == "email" and claims.get("email_verified") is False
    name = plain_name(claims.get(client.user_claim)) if not unverified else ""
    name = name or plain_name(claims.get("sub"))
    return User(name) if allowed and name else None


def plain_name(value: object) -> str:
    """A name as one line without what would end a field of a commit; "" for what is none."""
    if not isinstance(value, str):
        return ""
    kept = "".join(letter for letter in value if letter.isprintable() and letter not in "<>")
    return " ".join(kept.split())[:LONGEST_NAME]


def _words(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return value.split()
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
