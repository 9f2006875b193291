"""Why a child gave no template, in the words of the person whose flow it is."""

from __future__ import annotations

import re
import signal

from aicore_sync.core.errors import SyncError, Transient
from aicore_sync.render.child import Ended, Limits
from aicore_sync.render.model import RenderFailed, RenderJob
from aicore_sync.render.verify import Failure, Frame
from aicore_sync.render.worker.child import CONFESSION, FAULT
from aicore_sync.render.worker.watch import FILES, MEMORY, WRITES

# Characters. A status holds the words, so no exception's text may fill it; a refusal lists its places, 250 each.
_HEADLINE = 1000
_MESSAGE = 6000
_FRAME = 200
_FRAMES = 20
_LONG = 20_000  # before paths are shortened
_FAR = re.compile(
    r"""(?:/[^\s/"':]{1,100}){1,30}/(?:(?:site-packages|dist-packages|python3\.\d+)/|(?=metaflow_extensions/))"""
)


def explained(failure: Failure, job: RenderJob) -> RenderFailed:
    """The child's own report: headline first, at the user's line, with the traceback through their files."""
    if failure.message.startswith("flows:"):
        return _no_template(failure.message.removeprefix("flows:"), job)
    last = failure.frames[-1] if failure.frames else None
    headline = _bounded(_near(failure.headline[:_LONG], job), _HEADLINE)
    message = _bounded(_near(_one_paragraph(failure.message)[:_LONG], job), _MESSAGE)
    text = ": ".join(part for part in (headline, message) if part)
    return RenderFailed(
        f"{_place(last, job)}: {text}",
        file=last.file if last else job.script,
        line=last.line if last else 0,
        detail="\n".join(_shown(f) for f in failure.frames[-_FRAMES:] if f.text),
        refused=failure.refused,
    )


def _near(text: str, job: RenderJob) -> str:
    """Files by the names that one imports them by: where environments lie on this machine is nobody's business."""
    return _FAR.sub("", text.replace(f"{job.directory}/", ""))


def _no_template(flows: str, job: RenderJob) -> RenderFailed:
    if not flows:
        return RenderFailed(f"{job.script}: no class derives from FlowSpec, so there is no flow to render")
    name = _bounded(job.flow or flows.split(",")[0], _FRAME)
    return RenderFailed(
        f"{job.script}: {name} is never started; end the file with `if __name__ == '__main__': {name}()`",
        file=job.script,
    )


def _place(frame: Frame | None, job: RenderJob) -> str:
    if frame is None:
        return job.script
    return f"{frame.file}:{frame.line}" if frame.line else frame.file


def _shown(frame: Frame) -> str:
    inside = f" in {frame.function}" if frame.function else ""
    return _bounded(f"{frame.file}:{frame.line}{inside}: {frame.text}", _FRAME)


def _one_paragraph(message: str) -> str:
    """Metaflow quotes whole tracebacks in some messages: only their last line says something to the owner."""
    head, quoted, rest = message.partition("Traceback (most recent call last)")
    message = f"{head}\n{rest.strip().splitlines()[-1]}" if quoted and rest.strip() else message
    return " ".join(line.strip() for line in message.splitlines() if line.strip())


def _bounded(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"


def silent(ended: Ended, job: RenderJob, limits: Limits) -> SyncError:
    """No usable report: the child was killed, killed itself, or left by the back door."""
    detail = _near(ended.errors, job).strip()
    if ended.timed_out or ended.code == -signal.SIGXCPU:
        where = f"; it was at {ended.stuck}" if ended.stuck else ""
        cure = "move work from import time into a step, or raise render.deadline"
        return RenderFailed(
            f"{job.script}: not rendered within {limits.deadline:g} s and stopped{where}; {cure}",
            file=job.script,
            detail=detail,
        )
    if ended.excess:
        return RenderFailed(f"{job.script}: {_too_much(ended, limits)}", file=job.script, detail=detail)
    if ended.flooded:
        return RenderFailed(
            f"{job.script}: wrote more than {limits.output} bytes while rendering", detail=detail
        )
    if ended.code == -signal.SIGKILL:
        message = f"{job.script}: the render was killed twice, the second time with no other flow beside it: "
        message += "for lack of memory, from outside, or by its own code"
        return Transient(message, reason="RenderKilled")
    if ended.code == FAULT and detail.endswith(CONFESSION):
        last = detail.removesuffix(CONFESSION).strip().splitlines()[-1:]
        why = _bounded("".join(last), _HEADLINE)
        message = f"{job.script}: not the flow, but what it is rendered in failed: {why}; it is tried again"
        return Transient(message, reason="RenderUnavailable")
    return RenderFailed(f"{job.script}: {_farewell(ended)} without producing a template", detail=detail)


def _too_much(ended: Ended, limits: Limits) -> str:
    if ended.excess == MEMORY:
        return (
            f"its processes took more than {limits.memory} bytes of memory together and were stopped; do less at "
            "import time, or raise render.memory"
        )
    return (
        f"wrote more than {WRITES * limits.output} bytes, or {FILES} files, while rendering and was stopped; move the "
        "work from import time into a step"
    )


def _farewell(ended: Ended) -> str:
    if ended.code < 0:
        return f"crashed with signal {-ended.code} ({signal.strsignal(-ended.code)})"
    return f"ended with exit code {ended.code} (does it call os._exit?)"
