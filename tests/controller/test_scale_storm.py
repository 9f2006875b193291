"""The real loop in random weather: it always ends settled, with nothing twice and nothing of others touched.

AICORE_SYNC_STORMS=2000 pytest tests/controller/test_scale_storm.py      more seeds
AICORE_SYNC_STORM=17 pytest tests/controller/test_scale_storm.py         one seed, made as small as it fails
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sandboxes import Sandbox
from storm_steps import Step, smaller, storm
from storms import blow, still_sandbox

SEEDS = int(os.environ.get("AICORE_SYNC_STORMS", "200"))
ONE = os.environ.get("AICORE_SYNC_STORM")
CHUNK = 20  # storms that share a sandbox


@pytest.mark.slow
@pytest.mark.parametrize("first", [int(ONE)] if ONE else range(0, SEEDS, CHUNK))
async def test_every_storm_ends_settled(tmp_path: Path, first: int) -> None:
    async with still_sandbox(tmp_path) as sandbox:
        if ONE:
            await _smallest(tmp_path, sandbox, first)
            return
        for seed in range(first, min(first + CHUNK, SEEDS)):
            steps = storm(seed)
            try:
                await blow(tmp_path / f"storm-{seed}", sandbox, f"storm-{seed}", steps)
            except Exception as error:
                raise AssertionError(f"{_told(seed, steps)}\n{error}") from error


async def _smallest(room: Path, sandbox: Sandbox, seed: int) -> None:
    """Leave steps out for as long as it still fails, then fail with what is left."""
    steps, tries = storm(seed), 0
    error = await _fails(room, sandbox, f"try-{tries}", steps)
    while error:
        for fewer in smaller(steps):
            tries += 1
            other = await _fails(room, sandbox, f"try-{tries}", fewer)
            if other:
                steps, error = fewer, other
                break
        else:
            raise AssertionError(f"{_told(seed, steps)}\n{error}") from error


async def _fails(room: Path, sandbox: Sandbox, name: str, steps: tuple[Step, ...]) -> Exception | None:
    try:
        await blow(room / name, sandbox, name, steps)
    except Exception as error:
        await sandbox.calm()
        return error
    return None


def _told(seed: int, steps: tuple[Step, ...]) -> str:
    return f"storm {seed}:\n" + "\n".join(f"    {step}" for step in steps)
