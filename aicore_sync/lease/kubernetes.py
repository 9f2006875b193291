"""Leases (coordination.k8s.io/v1) on the API server: read, replace by compare-and-swap, follow."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.core.seats import Record, Sign

CHANGED = "LeaseChanged"
ADDRESS = "aicore-sync/address"
NUDGE = "aicore-sync/nudge"
UNSAID = 60  # seconds that a holder is granted who does not say how long
WATCH = 300  # seconds; then the server ends a watch and the client begins the next


@dataclass(frozen=True)
class InKubernetes:
    """`namespace` None is the pod's own; `timeout` is for one request, in seconds."""

    namespace: str | None
    timeout: float


def in_kubernetes(namespace: str | None, timeout: float, now: Callable[[], datetime]) -> KubernetesLeases:
    """Leases of the cluster that this process runs in, else of the one that KUBECONFIG names.

    Raises Stalled where the extra `kubernetes` is not installed, or no cluster is known.
    """
    try:
        import lightkube  # noqa: F401  an extra: most installations do without
    except ImportError:
        raise Stalled(
            "replicas.leases: found a name, but the package lightkube is not installed; install "
            "aicore-sync[kubernetes], or remove `replicas` to run one process",
            reason="LeaseUnavailable",
        ) from None
    return KubernetesLeases(InKubernetes(namespace, timeout), now)


class KubernetesLeases:
    """Leases by name; an asynchronous context manager.

    `now` gives the time that is written for people; nothing is decided by it. Every method raises Transient
    (LeaseChanged when somebody else was faster, else LeaseUnavailable) or Stalled (LeaseMissing, LeaseForbidden).
    """

    def __init__(self, place: InKubernetes, now: Callable[[], datetime]) -> None:
        self._place = place
        self._now = now
        self._client: Any = None

    async def __aenter__(self) -> Self:
        from lightkube import AsyncClient
        from lightkube.core.exceptions import ConfigError

        try:
            self._client = AsyncClient(namespace=self._place.namespace)
        except ConfigError as error:
            raise Stalled(
                f"replicas.leases: no Kubernetes API is known ({error}); run in a pod with a service account token, "
                "or set KUBECONFIG",
                reason="LeaseUnavailable",
            ) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def get(self, name: str) -> Record:
        """The Lease as it is now."""
        from lightkube.resources.coordination_v1 import Lease

        with _explained(name, "get"):
            async with asyncio.timeout(self._place.timeout):
                return _record(await self._client.get(Lease, name))

    async def replace(self, record: Record, sign: Sign) -> Record:
        """Write the record unless the Lease has changed since it was read."""
        lease = _lease(record, self._now(), sign)
        with _explained(record.seat, "update"):
            async with asyncio.timeout(self._place.timeout):
                return _record(await self._client.replace(lease))

    async def changes(self, record: Record) -> AsyncIterator[Record]:
        """What the Lease becomes after `record`; ends when it was deleted. May be silent for ever: mind the time."""
        from lightkube.resources.coordination_v1 import Lease

        watching = self._client.watch(
            Lease,
            fields={"metadata.name": record.seat},
            resource_version=record.version,
            server_timeout=WATCH,
        )
        with _explained(record.seat, "watch"):
            async with aclosing(watching) as events:
                async for kind, lease in events:
                    if kind == "DELETED":
                        return
                    yield _record(lease)


def _record(lease: Any) -> Record:
    spec, notes = lease.spec, lease.metadata.annotations or {}
    return Record(
        seat=lease.metadata.name,
        uid=lease.metadata.uid or "",
        version=lease.metadata.resourceVersion or "",
        holder=(spec.holderIdentity if spec else None) or "",
        term=(spec.leaseTransitions if spec else None) or 0,
        duration=float((spec.leaseDurationSeconds if spec else None) or UNSAID),
        renewed=str(spec.renewTime if spec else ""),
        address=notes.get(ADDRESS, ""),
        nudge=notes.get(NUDGE, ""),
        raw=lease,
    )


def _lease(record: Record, now: datetime, sign: Sign) -> Any:
    """The object that was read, with the record's values. Everything else in it stays."""
    from lightkube.models.coordination_v1 import LeaseSpec

    lease = copy.deepcopy(record.raw)
    spec = lease.spec = lease.spec or LeaseSpec()
    spec.holderIdentity = record.holder or None
    spec.leaseDurationSeconds = math.ceil(record.duration) or None
    spec.leaseTransitions = record.term
    spec.renewTime = _micro(spec.renewTime if sign is Sign.NONE else now)
    spec.acquireTime = _micro(now if sign is Sign.TAKEN else spec.acquireTime)
    notes = {ADDRESS: record.address, NUDGE: record.nudge}
    kept = {key: value for key, value in (lease.metadata.annotations or {}).items() if key not in notes}
    lease.metadata.annotations = kept | {key: value for key, value in notes.items() if value}
    return lease


def _micro(time: datetime | None) -> datetime | None:
    """The API server wants six digits behind the dot, and without microseconds none are written."""
    return time.replace(microsecond=time.microsecond or 1) if time else None


@contextmanager
def _explained(name: str, verb: str) -> Iterator[None]:
    import httpx2
    import msgspec
    from lightkube.core.exceptions import ApiError, ConfigError

    # The last three: an answer that was cut off, one without a content type, a token file that went away.
    broken = (httpx2.HTTPError, httpx2.StreamError, TimeoutError, OSError)
    strange = (msgspec.MsgspecError, LookupError, ConfigError)

    try:
        yield
    except ApiError as error:
        raise _refused(name, verb, error.status.code or 0, error.status.message or "") from None
    except httpx2.HTTPStatusError as error:  # an answer of something before the API server
        raise _refused(name, verb, error.response.status_code, "") from None
    except (*broken, *strange) as error:
        what = str(error) or type(error).__name__
        raise Transient(
            f"Lease {name}: no answer from the Kubernetes API: {what}", reason="LeaseUnavailable"
        ) from None


def _refused(name: str, verb: str, code: int, message: str) -> SyncError:
    if code == 409:
        return Transient(f"Lease {name} was changed by somebody else", reason=CHANGED)
    if code == 404:
        return Stalled(
            f"Lease {name} does not exist; create it (chart and manifests do), or correct replicas.leases and "
            "replicas.shards",
            reason="LeaseMissing",
        )
    if code in (401, 403):
        return Stalled(
            f"Lease {name}: the Kubernetes API does not let this service account {verb} it: {message}; give it a "
            "Role with get, update and watch for it",
            reason="LeaseForbidden",
        )
    return Transient(
        f"Lease {name}: the Kubernetes API answered {code}: {message}", reason="LeaseUnavailable"
    )
