"""What the other replicas know about the shards that they work on, for the window of this one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import httpx
import structlog
from pydantic import ValidationError

from aicore_sync.app.share import Share
from aicore_sync.core.errors import SyncError
from aicore_sync.core.model import Status
from aicore_sync.core.statuses import StatusAnswer, statuses_in

log = structlog.get_logger()
TIMEOUT = 5.0
LARGEST = 64 * 2**20  # bytes of an answer


class Peers:
    """Asks every holder of a seat for its statuses every `pause` seconds; one that is silent keeps its last answer.

    `token` gives what they want to see for it, "" for nothing.
    """

    def __init__(self, share: Share, pause: float, token: Callable[[], str]) -> None:
        self._share = share
        self._pause = pause
        self._token = token
        self._known: dict[str, tuple[Status, ...]] = {}  # seat -> what its holder said

    def statuses(self) -> Sequence[Status]:
        """What others said last."""
        return [status for said in self._known.values() for status in said]

    async def run(self) -> None:
        """Ask until cancelled."""
        # No proxy: replicas reach each other directly.
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http:
            while True:
                others = self._share.others()
                self._known = {seat: said for seat, said in self._known.items() if seat in others}
                asked = [
                    self._ask(http, seat, record.address) for seat, record in others.items() if record.address
                ]
                await asyncio.gather(*asked)
                await asyncio.sleep(self._pause)

    async def _ask(self, http: httpx.AsyncClient, seat: str, address: str) -> None:
        try:
            token = self._token()
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = await http.get(f"{address}/api/v1/status", params={"own": "true"}, headers=headers)
            answer.raise_for_status()
            if len(answer.content) > LARGEST:
                raise ValueError("the answer is too long")
            self._known[seat] = statuses_in(
                await asyncio.to_thread(StatusAnswer.model_validate_json, answer.content)
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValidationError, ValueError, SyncError) as error:
            log.warning(
                "replica_not_read", seat=seat, address=address, error=str(error) or type(error).__name__
            )
