"""Template documents: canonical form, decoration, digests, bytes, and the facts of a published file."""

from aicore_sync.core.template.canonical import canonical
from aicore_sync.core.template.decorate import Hardware, Output, TemplateOptions, decorate, version_label
from aicore_sync.core.template.digests import (
    RunInputs,
    digest,
    input_digest,
    run_digest,
    spec_digest,
    template_digest,
)
from aicore_sync.core.template.needs import Needs, secret_needs
from aicore_sync.core.template.published import (
    PublishedTemplate,
    binding_problems,
    facts,
    file_name,
    owned_by,
    owner_of,
    read_published,
)
from aicore_sync.core.template.text import SIZE_LIMIT, Format, parse_document, to_bytes
from aicore_sync.core.template.walk import Document, images

__all__ = [
    "SIZE_LIMIT",
    "Document",
    "Format",
    "Hardware",
    "Needs",
    "Output",
    "PublishedTemplate",
    "RunInputs",
    "TemplateOptions",
    "binding_problems",
    "canonical",
    "decorate",
    "digest",
    "facts",
    "file_name",
    "images",
    "input_digest",
    "owned_by",
    "owner_of",
    "parse_document",
    "read_published",
    "run_digest",
    "secret_needs",
    "spec_digest",
    "template_digest",
    "to_bytes",
    "version_label",
]
