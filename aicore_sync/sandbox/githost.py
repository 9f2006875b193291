"""A git server over HTTP with a password: `git http-backend` behind the standard library's HTTP server.

    python -m aicore_sync.sandbox.githost --root DIR --user U --password P [--port 0]

Serves every bare repository below DIR on the loopback interface, with partial clones, fetches of any
object and pushes. When it listens it prints one line of JSON: {"url": "http://127.0.0.1:PORT"}.
Without --password the environment variable AICORE_SYNC_GITHOST_PASSWORD is read, which keeps the
password out of the process list. It ends when its parent ends. For demos and tests, not for a network.
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote, urlsplit

PASSWORD_VARIABLE = "AICORE_SYNC_GITHOST_PASSWORD"  # noqa: S105 - the name of the variable, not its value
PR_SET_PDEATHSIG = 1
PIECE = 64 * 1024

# What a hosting service switches on; repositories need no configuration of their own.
BACKEND_CONFIG = (
    ("http.receivepack", "true"),
    ("uploadpack.allowFilter", "true"),
    ("uploadpack.allowAnySHA1InWant", "true"),
    ("safe.directory", "*"),
)


@dataclass(frozen=True)
class Host:
    """What is served, and the one login that may read and write it."""

    root: Path
    user: str
    password: str

    def admits(self, header: str | None) -> bool:
        """True when `header` is the Authorization header of the one login."""
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return hmac.compare_digest((header or "").encode(), f"Basic {wanted}".encode())


class Server(ThreadingHTTPServer):
    """A thread per connection; the threads do not hold up the end of the process."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: Host, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.host = host

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Translates HTTP to CGI and back, piece by piece, so that no pack has to fit into memory."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = PIECE

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Quiet: the git commands of the caller report what went wrong."""

    def _serve(self) -> None:
        host = cast(Server, self.server).host
        if not host.admits(self.headers.get("Authorization")):
            self._ask_for_login()
            return
        command = [shutil.which("git") or "git", "http-backend"]
        with subprocess.Popen(
            command,
            env=self._cgi(host),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as backend:
            feeder = threading.Thread(target=self._feed, args=(cast(IO[bytes], backend.stdin),), daemon=True)
            feeder.start()
            self._answer(cast(IO[bytes], backend.stdout))
            feeder.join()

    def _ask_for_login(self) -> None:
        for _ in self._body():  # the connection stays usable only when the body has been read
            pass
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _cgi(self, host: Host) -> dict[str, str]:
        """The environment of CGI (RFC 3875) with the additions that git-http-backend(1) names."""
        parts = urlsplit(self.path)
        protocol = self.headers.get("Git-Protocol", "")
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_PROJECT_ROOT": str(host.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_PROTOCOL": protocol,
            "HTTP_GIT_PROTOCOL": protocol,
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_USER": host.user,
            "REMOTE_ADDR": self.client_address[0],
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote(parts.path),
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": self.headers.get("Content-Length", ""),
            "GIT_CONFIG_COUNT": str(len(BACKEND_CONFIG)),
        }
        for index, (key, value) in enumerate(BACKEND_CONFIG):
            environment |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
        return environment

    def _feed(self, stdin: IO[bytes]) -> None:
        try:
            with stdin:
                for piece in self._body():
                    stdin.write(piece)
        except (BrokenPipeError, ConnectionError):
            pass  # the backend refused the request, or the client has gone: the answer tells

    def _body(self) -> Iterator[bytes]:
        """The request's body; git sends packs of more than 1 MiB in chunks."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0 and (piece := self.rfile.read(min(left, PIECE))):
            left -= len(piece)
            yield piece

    def _answer(self, stdout: IO[bytes]) -> None:
        status, headers = 200, []
        while line := stdout.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value.strip()))
        self.send_response(status if headers or status != 200 else 500)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := stdout.read1(PIECE):  # type: ignore[attr-defined]  # Popen's pipes are BufferedReaders
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM at the end of the thread that started us (prctl(2); Linux only)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the request was made
        sys.exit(0)


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(prog="githost", description="git over HTTP with a password, on loopback")
    parser.add_argument("--root", type=Path, required=True, help="directory that holds the bare repositories")
    parser.add_argument("--user", required=True)
    parser.add_argument(
        "--password", default=os.environ.get(PASSWORD_VARIABLE), help=f"or {PASSWORD_VARIABLE}"
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    chosen = parser.parse_args(arguments)
    if not chosen.password:
        parser.error(f"give --password, or set {PASSWORD_VARIABLE}")
    if not chosen.root.is_dir():
        parser.error(f"--root: found {chosen.root}, expected a directory that exists")
    return chosen


def main(arguments: list[str] | None = None) -> None:
    """Serve until the parent ends or a signal arrives."""
    die_with_parent()
    chosen = options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(Host(chosen.root.resolve(), chosen.user, chosen.password), chosen.port)
    print(json.dumps({"url": server.url}), flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
