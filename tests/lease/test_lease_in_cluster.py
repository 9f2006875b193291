"""In a pod: the API server is found by variables, trusted by its authority, and asked with a token that is renewed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from authorities import Authority
from lease_api import NAMESPACE, LeaseApi, lease_api
from lightkube import KubeConfig

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.core.seats import Sign
from aicore_sync.lease import in_kubernetes

LEASE = "shard-0"


class Pod:
    """What the kubelet mounts into a pod, and the variables that it sets."""

    def __init__(self, room: Path, authority: Authority) -> None:
        self.account = room / "serviceaccount"
        self.account.mkdir()
        (self.account / "ca.crt").write_text(authority.certificate)
        (self.account / "namespace").write_text(NAMESPACE)

    def rotate(self, token: str) -> None:
        """As the kubelet does: the new file takes the old one's place at once."""
        new = self.account / "new"
        new.write_text(token)
        new.rename(self.account / "token")


@contextmanager
def cluster(
    room: Path, patch: pytest.MonkeyPatch, signer: Authority, host: str = "127.0.0.1"
) -> Iterator[LeaseApi]:
    """An API server whose certificate is for `host`, known to this process as to one in a pod."""
    with lease_api(room, LEASE, tls=signer.server(host, room)) as api:
        patch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        patch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
        patch.delenv("KUBECONFIG", raising=False)
        # Only the place is another one: nobody but root can write to the real one.
        account = room / "serviceaccount"
        patch.setattr(KubeConfig, "from_env", lambda: KubeConfig.from_service_account(account))
        yield api


@pytest.fixture
def authority() -> Authority:
    return Authority("kubernetes")


@pytest.fixture
def pod(tmp_path: Path, authority: Authority) -> Pod:
    made = Pod(tmp_path, authority)
    made.rotate("first")
    return made


async def test_a_token_that_was_renewed_is_read_again(
    tmp_path: Path, pod: Pod, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        api = stack.enter_context(cluster(tmp_path, monkeypatch, authority))
        leases = await stack.enter_async_context(in_kubernetes(None, 30.0, lambda: datetime.now(UTC)))
        read = await leases.get(LEASE)
        pod.rotate("second")
        await leases.get(LEASE)
        assert [client for client, _, _ in api.requests] == ["first", "first"], "while the old one counts"

        api.revoked.add("first")
        written = await leases.replace(replace(read, holder="me", duration=35.0, term=1), Sign.TAKEN)
        assert written.holder == "me"
        assert [client for client, _, _ in api.requests[2:]] == ["first", "second"]
        assert api.writes[-1].client == "second"

        pod.rotate("third")
        api.revoked.add("second")
        changes = leases.changes(written)
        seen = asyncio.ensure_future(anext(changes))  # a watch, too
        await leases.replace(replace(written, nudge="look"), Sign.NONE)
        assert (await asyncio.wait_for(seen, 60)).nudge == "look"
        await changes.aclose()  # type: ignore[attr-defined]
        assert "third" in {client for client, _, path in api.requests if "watch" in path}


async def test_a_token_that_counts_no_more_and_is_not_renewed_is_refused_in_words(
    tmp_path: Path, pod: Pod, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        api = stack.enter_context(cluster(tmp_path, monkeypatch, authority))
        leases = await stack.enter_async_context(in_kubernetes(None, 30.0, lambda: datetime.now(UTC)))
        await leases.get(LEASE)
        api.revoked.add("first")
        with pytest.raises(Stalled, match="does not let this service account get it") as caught:
            await leases.get(LEASE)
        assert caught.value.reason == "LeaseForbidden"
        (pod.account / "token").unlink()
        with pytest.raises(Transient, match="token") as gone:
            await leases.get(LEASE)
        assert gone.value.reason == "LeaseUnavailable"


@pytest.mark.parametrize(
    ("signer", "host"), [("kubernetes", "127.0.0.2"), ("somebody else", "127.0.0.1")], ids=["host", "signer"]
)
async def test_who_has_no_certificate_of_the_cluster_gets_no_token(
    tmp_path: Path, pod: Pod, authority: Authority, monkeypatch: pytest.MonkeyPatch, signer: str, host: str
) -> None:
    by = authority if signer == "kubernetes" else Authority(signer)
    async with AsyncExitStack() as stack:
        api = stack.enter_context(cluster(tmp_path, monkeypatch, by, host))
        leases = await stack.enter_async_context(in_kubernetes(None, 30.0, lambda: datetime.now(UTC)))
        with pytest.raises(Transient, match=r"(?i)certificate verify failed") as caught:
            await leases.get(LEASE)
        assert caught.value.reason == "LeaseUnavailable"
        assert api.requests == []
