"""Metaflow on SAP AI Core: decorators, the command group `aicore`, and the compiler behind it.

    flow, graph, decorators ─survey→ Plan ─template→ document
                            └package→ one deterministic archive

`survey`, `package`, `parameters` and `command` read Metaflow; `model`, `hardware`, `script` and `template`
are pure. Everything runs inside users' environments, and travels in the code package: only Metaflow and the
standard library are imported.
"""
