"""The window's part of the configuration: where it listens, who may act in it, whose webhooks wake us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from aicore_sync.config.secret import SecretRef
from aicore_sync.core.fields import Duration, PlainName, Strict, matching
from aicore_sync.core.problems import did_you_mean

Address = Annotated[str, matching(r"https?://[^\s/@]+(/[^\s]*)?", "https://HOST or http://HOST")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ApiToken(Strict):
    """Somebody who may act with a token: a pipeline, a colleague at the command line."""

    name: PlainName = Field(description="Who acts; stands in commits and events.", examples=["pipeline"])
    token: SecretRef = Field(
        description="At least 16 characters; sent as `Authorization: Bearer …`.",
        examples=[{"file": "/secrets/http/pipeline-token"}],
    )


class Oidc(Strict):
    """Login with an OpenID Connect provider, by code flow with PKCE."""

    issuer: Address = Field(
        description="Issuer; its /.well-known/openid-configuration is read.",
        examples=["https://login.example.com"],
    )
    client_id: Word = Field(description="Client that is registered there.", examples=["aicore-sync"])
    client_secret: SecretRef = Field(
        description="Its secret.", examples=[{"file": "/secrets/http/oidc-secret"}]
    )
    scopes: tuple[Word, ...] = Field(("openid", "profile", "email"), description="Scopes to ask for.")
    user_claim: Word = Field("email", description="Claim that names the user; `sub` where it is absent.")
    allow_claim: Word = Field("groups", description="Claim that says who may act.")
    allow: tuple[Word, ...] = Field(
        min_length=1,
        description='Values of that claim that may act; ["*"]: everybody with a login there.',
        examples=[["ml-operators"]],
    )


class Login(Strict):
    """Who may act in the window. Without tokens and without oidc nobody may, and all of it is for reading."""

    tokens: tuple[ApiToken, ...] = Field(
        (), description="Bearer tokens; also the password of the login page."
    )
    oidc: Oidc | None = Field(
        None, description="Login with an OpenID Connect provider; needs http.publicUrl."
    )
    session: Duration = Field(28800.0, ge=60, description="How long a login in the browser lasts.")
    session_secret: SecretRef | None = Field(
        None,
        description="Signs session cookies; the same for all replicas. Without it logins end with the process.",
        examples=[{"file": "/secrets/http/session-secret"}],
    )
    required: bool = Field(
        False, description="true: reading needs the login too, but for probes and metrics."
    )


class Webhook(Strict):
    """A sender that may wake us at /hooks/NAME. What it sends is checked and never believed."""

    name: PlainName = Field(description="Last part of its address.", examples=["flows-on-github"])
    type: Literal["github", "gitlab", "bitbucket", "azureDevops", "gitea", "generic"] = Field(
        description="Who sends, and so how it signs.", examples=["github"]
    )
    secret: SecretRef = Field(
        description="The secret that the sender signs with; at least 16 characters.",
        examples=[{"file": "/secrets/hooks/github"}],
    )
    wakes: tuple[PlainName, ...] = Field(
        (), description="Sources and repositories to look at again; when empty those whose address it names."
    )
    events: tuple[Word, ...] = Field(
        (), description="Events that count; the sender's push events when empty."
    )
    replay: Duration = Field(
        600.0, ge=60, description="How long a delivery that came once is refused a second time."
    )


class Http(Strict):
    """Status page, API, webhooks, health and metrics."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on; 0.0.0.0 in a container.")
    port: int = Field(8080, ge=0, le=65535, description="Port; 0 takes a free one.")
    public_url: Address | None = Field(
        None,
        description="Address under which people reach the window; for links in notes and for the login.",
        examples=["https://aicore-sync.example.com"],
    )
    login: Login = Field(Login(), description="Who may act in the window.")
    webhooks: tuple[Webhook, ...] = Field((), description="Senders that wake us at once.")


def http_findings(http: Http, places: Sequence[str]) -> Iterator[Any]:
    """Mistakes between the keys of this part. `places` are the names of sources and repositories."""
    for path, names in (
        (("http", "login", "tokens"), [item.name for item in http.login.tokens]),
        (("http", "webhooks"), [item.name for item in http.webhooks]),
    ):
        for at, name in enumerate(names):
            if name in names[:at]:
                yield (*path, at, "name"), f'"{name}" a second time', "every name once", "rename one of them"
    for at, hook in enumerate(http.webhooks):
        for place, name in enumerate(hook.wakes):
            if name not in places:
                expected = f"one of {', '.join(sorted(places))}"
                yield (
                    ("http", "webhooks", at, "wakes", place),
                    f'"{name}"',
                    expected,
                    did_you_mean(name, places),
                )
    if http.login.oidc and http.public_url is None:
        expected = "the address that the provider sends people back to"
        yield ("http", "publicUrl"), "no address", expected, "set it, or remove http.login.oidc"
    if http.login.required and not http.login.tokens and http.login.oidc is None:
        cure = "add http.login.tokens or http.login.oidc"
        yield ("http", "login", "required"), "no way to log in", "a login for a window that needs one", cure
