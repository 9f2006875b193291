"""GitOps for SAP AI Core: Metaflow flows in, templates, configurations, schedules and executions kept in line."""

__version__ = "0.1.0"
