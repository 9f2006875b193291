"""The Dockerfile of an image that holds a flow's code, as AI Core's pods want it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BASE = "docker.io/library/python:3.11-slim"
HOME = "/flow"  # where the code lies in the image; every step starts here
_NEEDED = ("boto3", "requests")  # by Metaflow's S3 client in every step; Metaflow itself is in the package


@dataclass(frozen=True)
class ImageRecipe:
    """`package` and `requirements` are paths below the Dockerfile's directory."""

    flow: str
    package: str
    requirements: str
    base: str = BASE


def dockerfile(recipe: ImageRecipe) -> str:
    """The text. The code belongs to root and is only read: pods run as 65534, and write to a temporary directory."""
    return f"""\
# Made by `aicore-sync package {recipe.flow}`: the flow's code and what runs it.
FROM {recipe.base}
COPY {recipe.requirements} {HOME}.requirements.txt
RUN python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \\
    -r {HOME}.requirements.txt
ADD {recipe.package} {HOME}/
WORKDIR {HOME}
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1
USER 65534:65534
"""


def image_requirements(pins: Iterable[str], own: Iterable[str] = ()) -> str:
    """A requirements file with those of `pins` ("name==version") that a step needs, and the flow's own."""
    needed = [pin for pin in pins if pin.partition("==")[0] in _NEEDED]
    return "".join(f"{line}\n" for line in (*needed, *own))
