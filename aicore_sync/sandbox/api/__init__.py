"""The AI-API under `/v2`: one file per family of resources, `scope` says who asks and where."""
