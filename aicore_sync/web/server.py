"""The HTTP server as one task of the process: its own socket, no signal handlers, a graceful end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import structlog
import uvicorn
from starlette.types import ASGIApp

from aicore_sync.core.errors import Stalled

log = structlog.get_logger()

GRACE_SECONDS = 3


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: stopping is the caller's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class WebServer:
    """Serves `app` on `host`:`port`; port 0 takes a free one. `url` is known after `start`.

    A `listener` of `listen` is used instead of a new one, and closed at the end.
    """

    def __init__(self, app: ASGIApp, host: str, port: int, listener: socket.socket | None = None) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._listener = listener
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.url = ""

    async def start(self) -> str:
        """Binds and serves; returns the URL. Raises Stalled when the address cannot be had."""
        listener = self._listener or listen(self._host, self._port)
        host, port = listener.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="web")
        log.info("web_started", url=self.url)
        return self.url

    async def stop(self) -> None:
        """Ends after the requests under way, at the latest after GRACE_SECONDS. A second call does nothing."""
        server, task, self._server, self._task = self._server, self._task, None, None
        if server is None or task is None:
            return
        server.should_exit = True
        await task
        log.info("web_stopped")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises Stalled when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=256)
        # asyncio leaves this off for accepted sockets, and every answer on a kept connection would wait some 40 ms
        # for the client's delayed acknowledgement; accepted sockets inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise Stalled(
            f"http: cannot listen on {host} port {port} ({error.strerror}); free it or set another `http.port`",
            reason="AddressUnavailable",
        ) from error
