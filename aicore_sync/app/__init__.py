"""The only wiring: settings become objects, started in order and stopped in reverse. Owns clock and randomness.

build     Settings → App, nothing contacted yet
service   the long-running controller with its window
reload    the service, through changes of its configuration file
once      plan and apply for people and pipelines

What serves is not imported here: the window is half of what a command would load, and few need it.
"""

from aicore_sync.app.build import App, BuildOptions, build
from aicore_sync.app.comment import place_of, tell
from aicore_sync.app.comment import text as comment_text
from aicore_sync.app.decide import lift_freezes, resume, rewrite_secrets, suspend
from aicore_sync.app.handover import hand_over
from aicore_sync.app.locks import release_locks
from aicore_sync.app.once import (
    Applied,
    Planned,
    agree,
    apply_once,
    confirm,
    make_ready,
    plan_once,
    take_locks,
)
from aicore_sync.app.wires import Clock

__all__ = [
    "App",
    "Applied",
    "BuildOptions",
    "Clock",
    "Planned",
    "agree",
    "apply_once",
    "build",
    "comment_text",
    "confirm",
    "hand_over",
    "lift_freezes",
    "make_ready",
    "place_of",
    "plan_once",
    "release_locks",
    "resume",
    "rewrite_secrets",
    "suspend",
    "take_locks",
    "tell",
]
