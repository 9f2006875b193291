"""An S3 server for the sandbox: moto's, in memory, as a child process that never outlives its parent.

Alone: `python -m aicore_sync.sandbox.objectstore --bucket NAME [--port 0]` prints one line of JSON when ready.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass, field

ACCESS_KEY = "sandbox"
SECRET_KEY = "sandbox-secret"  # noqa: S105  (moto accepts any; it is no secret)
REGION = "us-east-1"
_PR_SET_PDEATHSIG = 1
_START_SECONDS = 60.0


@dataclass(frozen=True)
class ObjectStoreProcess:
    """A running S3 server on 127.0.0.1 with one empty bucket."""

    endpoint: str
    bucket: str
    process: Process = field(repr=False)
    access_key: str = ACCESS_KEY
    secret_key: str = field(default=SECRET_KEY, repr=False)
    region: str = REGION

    async def aclose(self) -> None:
        """End the server and everything in it. May be called twice."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


async def start_object_store(bucket: str) -> ObjectStoreProcess:
    """Start the server on a free port and wait until it answers (about 1 s).

    Raises RuntimeError when it does not start; the cause is on stderr.
    """
    command = (sys.executable, "-m", __spec__.name if __spec__ else __name__, "--bucket", bucket)
    parent = str(os.getpid())
    process = await asyncio.create_subprocess_exec(
        *command, "--die-with", parent, stdin=DEVNULL, stdout=PIPE, start_new_session=True
    )
    assert process.stdout
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        return ObjectStoreProcess(json.loads(line)["endpoint"], bucket, process)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if isinstance(error, (TimeoutError, ValueError)):
            cure = "its stderr says why; it needs pip install 'aicore-sync[sandbox]' and a valid bucket name"
            raise RuntimeError(f"the sandbox's object store did not start: {cure}") from error
        raise


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _serve(bucket: str, host: str, port: int) -> None:
    """Serve S3 until a signal comes. Imports are late: the parent needs none of them."""
    from moto.moto_server.werkzeug_app import create_backend_app
    from moto.s3.models import s3_backends
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            return

    server = make_server(host, port, create_backend_app("s3"), threaded=True, request_handler=Quiet)
    s3_backends["123456789012"]["aws"].create_bucket(bucket, REGION)  # moto's default account
    endpoint = f"http://{host}:{server.server_port}"
    ready = {
        "endpoint": endpoint,
        "bucket": bucket,
        "accessKey": ACCESS_KEY,
        "secretKey": SECRET_KEY,
        "region": REGION,
    }
    print(json.dumps(ready), flush=True)
    server.serve_forever()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bucket", default="sandbox")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--die-with", type=int, metavar="PID", help="end when this parent process ends")
    options = parser.parse_args(arguments)
    if options.die_with:
        _die_with(options.die_with)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        _serve(options.bucket, options.host, options.port)


if __name__ == "__main__":
    main()
