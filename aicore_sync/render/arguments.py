"""What a person would type to have a flow rendered, by dialect. Pure."""

from __future__ import annotations

import json

from aicore_sync.render.model import RenderJob


def arguments(job: RenderJob) -> list[str]:
    """Everything after `python flow.py`."""
    return _plugin(job) if job.dialect == "plugin" else _native(job)


def _native(job: RenderJob) -> list[str]:
    """Of our own compiler, which is told everything. It ends with options of `create`: more may follow."""
    create = ["create", "--only-json", f"--image={job.image}", *_shared(job)]
    create += [f"--secret={s}" for s in job.secrets]
    create += [f"--env={name}={value}" for name, value in job.environment]
    create += [f"--{kind}={step}={name}" for kind, step, name in job.machines]
    if job.instance_types:
        sizes = {t.name: {"cpu": t.cpu, "memory": t.memory, "gpu": t.gpu} for t in job.instance_types}
        create.append(f"--instance-types={json.dumps(sizes)}")
    store = ["--datastore=s3", f"--datastore-root={job.datastore_root}"]
    return ["--no-pylint", *_suffixes(job), *job.project, *store, "aicore", f"--name={job.name}", *create]


def _plugin(job: RenderJob) -> list[str]:
    """Of SAP's plugin; what it cannot say right (secrets, variables) is added to the document later."""
    return [
        "--no-pylint",
        *_suffixes(job),
        "argo",
        f"--name={job.name}",
        "create",
        "--only-json",
        *_shared(job),
    ]


def _shared(job: RenderJob) -> list[str]:
    words = [f"--max-workers={job.max_workers}"]
    words += [f"--image-pull-secret={s}" for s in job.image_pull_secrets]
    words += [f"--workflow-timeout={job.timeout}"] if job.timeout else []
    return words + (["--embedded"] if job.embedded else [])


def _suffixes(job: RenderJob) -> list[str]:
    return [f"--package-suffixes={','.join(job.package_suffixes)}"] if job.package_suffixes else []
