"""What git's words mean: the only place that reads them. Pure.

The texts are those of git (LC_ALL=C), libcurl, OpenSSH, GitHub, GitLab, Bitbucket and Azure DevOps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aicore_sync.core.errors import Stalled, SyncError, Transient

SHOWN = 400  # characters of git's own words in a message for people


class Broken(Exception):
    """git failed in a way that says nothing about the remote: the clone is dropped and made anew."""


class NoSuchRef(Exception):
    """The remote has no such branch or does not give out such a commit."""


class Declined(Stalled):
    """The remote took the objects and refused the commit.

    `by_content` is True when a hook may have disliked one of its files, so that the others may pass.
    """

    def __init__(self, message: str, *, by_content: bool, reason: str = "PushRejected") -> None:
        super().__init__(message, reason=reason)
        self.by_content = by_content


@dataclass(frozen=True)
class Meaning:
    """Which words mean what: `pattern` is searched in git's output, `reason` and `cure` are for people."""

    pattern: re.Pattern[str]
    reason: str
    cure: str
    transient: bool = False


def _meaning(reason: str, cure: str, *patterns: str, transient: bool = False) -> Meaning:
    return Meaning(re.compile("|".join(patterns), re.IGNORECASE), reason, cure, transient)


# The first that matches counts: causes stand before the consequences that git prints after them.
MEANINGS = (
    _meaning(
        "CertificateInvalid",
        "give the certificate authority's PEM file as network.caBundle",
        r"certificate problem|certificate verification failed|self.signed certificate|CAfile",
    ),
    _meaning(
        "ProxyRefused",
        "check the address and the login in network.proxy",
        r"HTTP code 407|error: 407|Proxy Authentication Required|CONNECT tunnel failed",
    ),
    _meaning(
        "HostKeyUnknown",
        "put the host's public key (ssh-keyscan, compared with what the host publishes) into the known_hosts file",
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|No .* host key is known",
    ),
    _meaning(
        "AuthenticationFailed",
        "replace the token or key under the repository's credentials; it may have expired",
        r"could not read (Username|Password)|Authentication failed|error: 401|HTTP Basic: Access denied",
        r"Permission denied \(|Load key .*: |Identity file .* not accessible|terminal prompts disabled",
    ),
    _meaning(
        "PermissionDenied",
        "give the token or key read and write access to the repository (contents: write, or the developer role)",
        r"error: 403|not allowed to push|insufficient permission|write access to repository not granted",
        r"deploy key .*read.only|TF401027|key .*does not have (write|push) access|\bForbidden\b",
    ),
    _meaning(
        "RepositoryNotFound",
        "check the repository's url, and that the token or key may read it",
        r"repository .* not found|Repository not found|does not appear to be a git repository|error: 404|TF401019",
        r"project you were looking for could not be found|No such file or directory.*\.git",
    ),
    _meaning(
        "Redirected",
        "put the address that the server redirects to into the repository's url",
        r"error: 30[12378]|unable to update url base from redirection",
    ),
    _meaning("RateLimited", "nothing has to be done, it is tried again", r"error: 429", transient=True),
    _meaning(
        "Unreachable",
        "nothing has to be done, it is tried again",
        r"Could ?n[o']t resolve|Failed to connect|Could ?n[o']t connect|Connection (refused|reset|timed out|closed)",
        r"error: 5\d\d|Operation (too slow|timed out)|Empty reply|early EOF|RPC failed|unexpected disconnect",
        r"hung up unexpectedly|No route to host|Network is unreachable|kex_exchange|broken pipe|transfer closed",
        r"(SSL|TLS|gnutls)[^\n]*(error|EOF|reset|terminated|handshake)|Temporary failure|Recv failure|Send failure",
        transient=True,
    ),
)
NO_SUCH_REF = re.compile(
    r"couldn't find remote ref|not our ref|unadvertised object|Server does not allow request", re.I
)
LOST_RACE = re.compile(
    r"stale info|non-fast-forward|fetch first|failed to update ref|cannot lock ref|incorrect old value"
    r"|reference already exists|remote ref updated|ref updated since|failed to lock|atomic push failed",
    re.IGNORECASE,
)
NOISE = re.compile(
    r"$|To |hint:|Done$|Please make sure|and the repository exists|failed to push some refs|warning: redirect"
    r"|unable to read askpass|[ !=*+-]+\t"
)
# What git says after the server has refused our login: it would ask a person for another one.
ASKED = re.compile(r"could not read (?:Username|Password) for '[^']*': terminal prompts disabled")
# Why a remote refuses a whole commit, whatever is in it. The first that matches counts; other words are those of a
# hook that may dislike a single file.
DECLINED = (
    _meaning("PushRejected", "remove the secret from the flow that it names", r"cannot contain secrets"),
    _meaning(
        "SignatureRequired",
        "sign our commits with `signing` of the repository, and make the key known to the server",
        r"must have (a )?verified signature|must be signed|unsigned commit|commit is not signed",
    ),
    _meaning(
        "BranchProtected",
        "set `publish.mode: pullRequest` for the repository, allow this user to push, or publish to another branch",
        r"protected branch|protected ref|GH006|GH013|TF402455|through pull requests|must use a pull request",
        r"Permission denied to update branch|changes must be made through a (pull|merge) request",
    ),
    _meaning(
        "PushRejected",
        "give this user the right to push, or publish to another repository",
        r"not allowed to|not permitted|read.only|prohibited|archived",
    ),
)
BY_CONTENT = DECLINED[0]


def explain(operation: str, url: str, text: str) -> SyncError | Broken | NoSuchRef:
    """The exception for a failed command; `operation` is the verb of the sentence (fetch, push …)."""
    if NO_SUCH_REF.search(text):
        return NoSuchRef(words(text))
    for meaning in MEANINGS:
        if meaning.pattern.search(text):
            message = f"git cannot {operation} {url}: {words(text)}; {meaning.cure}"
            if meaning.transient:
                return Transient(message, reason=meaning.reason)
            return Stalled(message, reason=meaning.reason)
    return Broken(f"git cannot {operation} {url}: {words(text)}")


def declined(branch: str, why: str, text: str) -> Declined:
    """The exception for a push that the remote refused as a whole; `why` is git's word in parentheses."""
    found = next((meaning for meaning in DECLINED if meaning.pattern.search(f"{why}\n{text}")), None)
    cure = found.cure if found else "the repository's hook says what it wants changed"
    reason = found.reason if found else "PushRejected"
    message = f"push to branch {branch} was refused ({why}): {words(text)}; {cure}"
    return Declined(message, by_content=found is None or found is BY_CONTENT, reason=reason)


def words(text: str) -> str:
    """git's own words in one line, without the decoration around them, cut to a bearable length."""
    lines = [re.sub(r"^(remote|fatal|error|ERROR):\s*", "", line.strip()) for line in text.splitlines()]
    told = dict.fromkeys(ASKED.sub("the login was refused", line) for line in lines if not NOISE.match(line))
    return "; ".join(told)[:SHOWN].rstrip(" ;.") or "no explanation given"
