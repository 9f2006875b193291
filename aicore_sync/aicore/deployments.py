"""Verbs on deployments: ServingTemplates that run until somebody stops them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aicore_sync.aicore.calls import Call, get_object
from aicore_sync.aicore.group import Place, executable_filters, given
from aicore_sync.aicore.pages import Listing, list_all
from aicore_sync.aicore.wire import lifecycle
from aicore_sync.aicore.wire.basics import read_id, read_nothing
from aicore_sync.core.world import Deployment


class Deployments:
    """`/lm/deployments`. Those marked for deletion may be listed for a while, with target status DELETED."""

    def __init__(self, place: Place) -> None:
        self._at = place

    async def list(
        self, configuration: str = "", executables: tuple[str, ...] = ()
    ) -> tuple[Deployment, ...]:
        """Deployments, of one configuration or of some executables where given."""
        found: dict[str, Deployment] = {}
        for filters in executable_filters(executables):
            query = given({"configurationId": configuration} | filters)
            reads, group = lifecycle.read_deployment, self._at.group
            listing = Listing("/lm/deployments", reads, lambda d: d.id, group=group, query=query)
            for deployment in await list_all(self._at.sender, listing, self._at.top):
                found.setdefault(deployment.id, deployment)
        return tuple(found.values())

    async def get(self, deployment: str) -> Deployment:
        """One deployment. Raises NotFound, for minutes even for one that was just started."""
        return await self._at.sender.send(
            self._call("GET", deployment, get_object(lifecycle.read_deployment))
        )

    async def details(self, deployment: str) -> Mapping[str, Any]:
        """`statusDetails` as AI Core gives them: free-form; {} when there are none."""
        return await self._at.sender.send(self._call("GET", deployment, lifecycle.read_details))

    async def create(self, configuration: str, ttl: str = "") -> str:
        """Deploy a configuration and return the deployment's id; it costs money until it is stopped.

        `ttl` (`10m` at least, `2h`, `1d`): AI Core deletes it after that time; "" never.
        """
        body = {"configurationId": configuration} | ({"ttl": ttl} if ttl else {})
        call = Call("POST", "/lm/deployments", read_id, group=self._at.group, body=body)
        return await self._at.sender.send(call)

    async def update(self, deployment: str, configuration: str) -> None:
        """Point it at another configuration. Raises PreconditionFailed unless it is PENDING, RUNNING or DEAD."""
        body = {"configurationId": configuration}
        await self._at.sender.send(self._call("PATCH", deployment, read_nothing, body))

    async def stop(self, deployment: str) -> None:
        """Stop it. Raises PreconditionFailed unless it is PENDING or RUNNING."""
        await self._at.sender.send(self._call("PATCH", deployment, read_nothing, {"targetStatus": "STOPPED"}))

    async def delete(self, deployment: str) -> None:
        """Mark it for deletion. Raises PreconditionFailed while it runs."""
        await self._at.sender.send(self._call("DELETE", deployment, read_nothing))

    def _call(self, method: str, deployment: str, reads: Any, body: Any = None) -> Call[Any]:
        route = "/lm/deployments/{id}"
        return Call(method, route, reads, group=self._at.group, path={"id": deployment}, body=body)
