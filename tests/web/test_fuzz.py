"""The API asked everything that its own description allows, and more: nothing breaks, every answer is as described."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from web_world import TOKEN, parts

from aicore_sync.web import WebServer, create_app

FUZZER = Path(sys.executable).with_name("schemathesis")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.slow
async def test_the_api_keeps_to_its_description(tmp_path: Path) -> None:
    server = WebServer(create_app(parts()), "127.0.0.1", 0)
    url = await server.start()
    command = [str(FUZZER), "run", f"{url}/api/v1/openapi.json", "--checks", CHECKS, "--max-examples", "15"]
    command += ["--header", f"Authorization: Bearer {TOKEN}", "--phases", "examples,coverage,fuzzing"]
    command += ["--exclude-path", "/metrics", "--seed", "1", "--generation-database", "none"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 400)
    finally:
        if process.returncode is None:
            process.kill()
        await server.stop()
    assert process.returncode == 0, said.decode()[-8000:]
