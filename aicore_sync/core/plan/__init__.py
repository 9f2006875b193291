"""Decides what to do next for a key: pure functions from what is wanted and seen to actions and holds.

An action waits only for what it depends on. What reduces (pause, delete a schedule) never waits for publish or sync.
Waiting is a value (`Hold`), never a sleep. Applying a plan and planning again leads to an empty plan.
"""

from aicore_sync.core.plan.flows import configuration_hash, configuration_name, plan_flow, schedule_name
from aicore_sync.core.plan.resources import plan_tenant
from aicore_sync.core.plan.templates import plan_template, proven_live

__all__ = [
    "configuration_hash",
    "configuration_name",
    "plan_flow",
    "plan_template",
    "plan_tenant",
    "proven_live",
    "schedule_name",
]
