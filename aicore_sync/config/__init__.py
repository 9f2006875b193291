"""The configuration file: reading it, its example and its schema. For cli, demo and app only."""

from __future__ import annotations

from aicore_sync.config.example import example_yaml, key_table
from aicore_sync.config.load import load_settings, parse_settings, secret_references
from aicore_sync.config.model import (
    DataStore,
    Environment,
    Network,
    Repository,
    Settings,
    Tenant,
)
from aicore_sync.config.publish import KNOWN_HOSTS, ForgeKind
from aicore_sync.config.remotes import Credentials, SshKey, host_of
from aicore_sync.config.replicas import Replicas
from aicore_sync.config.schema import schema
from aicore_sync.config.secret import SecretRef
from aicore_sync.config.sources import CommitReport, GitSource, Source
from aicore_sync.config.tuning import Reconcile, Render, RenderEnvironment

__all__ = [
    "KNOWN_HOSTS",
    "CommitReport",
    "Credentials",
    "DataStore",
    "Environment",
    "ForgeKind",
    "GitSource",
    "Network",
    "Reconcile",
    "Render",
    "RenderEnvironment",
    "Replicas",
    "Repository",
    "SecretRef",
    "Settings",
    "Source",
    "SshKey",
    "Tenant",
    "example_yaml",
    "host_of",
    "key_table",
    "load_settings",
    "parse_settings",
    "schema",
    "secret_references",
]
