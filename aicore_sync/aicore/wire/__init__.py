"""A tolerant reader: from AI Core's JSON to values. Pure.

Unknown fields are ignored, missing ones have defaults, known misspellings are read; only what gives an object
its identity must be there, because a listing that silently loses an object looks like a deletion.
Field names: OpenAPI description 2.42.0 and SAP's help pages, which disagree in places.
"""
