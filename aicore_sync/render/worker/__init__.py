"""The other side of the fence: the program that runs users' code, started with a rendering environment's Python.

    parent   imports Metaflow once, forks one child per render, keeps deadlines, buries what is left over
    child    walls, limits, the flow's own process
    script   runs the user's script; capture: what it hands over instead of uploading and printing
    native   our compiler; plugin, pack: SAP's

Started by path, so these modules are known there as `_aicore_sync_worker.*`: they import the standard library,
each other (relatively) and Metaflow, and nothing else of aicore_sync.
"""
