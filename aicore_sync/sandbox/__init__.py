"""A small AI Core in a process of its own. Shares no code with the rest of the package.

    python -m aicore_sync.sandbox --port 0

Nothing here is imported by the product and nothing of the product is imported here: the only seam is HTTP,
as it is with the real one. `model` is the state, `world` holds it, `api/` speaks the AI-API, `gitops` follows
repositories, `runs` and `ticker` make things happen, `faults` makes them fail.
"""
