"""`python -m aicore_sync.sandbox`: start the sandbox; the ready line goes to stdout, everything else to stderr."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog

from aicore_sync.sandbox.children import follow_parent
from aicore_sync.sandbox.server import Start, serve
from aicore_sync.sandbox.world import Options


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="aicore_sync.sandbox", description="A small AI Core that really runs things."
    )
    p.add_argument("--host", default="127.0.0.1", help="address to listen on")
    p.add_argument("--port", type=int, default=0, help="port to listen on, 0 takes a free one")
    p.add_argument("--state", type=Path, help="file that keeps the state between starts")
    p.add_argument(
        "--work", type=Path, help="directory for clones, runs and logs; a temporary one by default"
    )
    p.add_argument(
        "--sync-interval", type=float, default=180.0, help="seconds between two syncs of an application"
    )
    p.add_argument(
        "--executor", choices=("process", "instant"), default="process", help="run for real, or end at once"
    )
    p.add_argument(
        "--clock", choices=("real", "manual"), default="real", help="manual moves by POST /sandbox/clock"
    )
    p.add_argument(
        "--s3", action="store_true", help="start an object store and register it in all resource groups"
    )
    p.add_argument("--git", type=Path, help="serve the bare repositories of this directory over HTTP")
    p.add_argument(
        "--quota", type=int, default=50, help="maximum of templates, applications, repositories, ..."
    )
    p.add_argument("--tenants", default="default", help="names of tenants, separated by commas")
    p.add_argument(
        "--die-with-parent", action="store_true", help="end when the process that started this one ends"
    )
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes. Returns 0, or 1 with the reason on stderr."""
    options = parser().parse_args(arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if options.die_with_parent:
        follow_parent()
    work = options.work or Path(tempfile.mkdtemp(prefix="aicore-sandbox-"))
    start = Start(
        options=Options(
            work=work.resolve(),
            state=options.state,
            sync_interval=options.sync_interval,
            executor=options.executor,
            quota=options.quota,
        ),
        host=options.host,
        port=options.port,
        tenants=tuple(filter(None, options.tenants.split(","))),
        manual_clock=options.clock == "manual",
        s3=options.s3,
        git=options.git,
    )
    try:
        asyncio.run(serve(start))
    except (OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"the sandbox cannot run: {error}\n")
        return 1
    finally:
        if options.work is None:
            shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
