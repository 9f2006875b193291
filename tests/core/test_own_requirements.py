"""A flow's own requirements file."""

from __future__ import annotations

import pytest

from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.requirements import own_requirements


def test_names_versions_extras_and_markers_are_taken() -> None:
    text = """
# for the features
pandas==2.2.3
scikit-learn >= 1.5, <2   # newer ones differ
httpx[http2,socks]~=0.28
tomli; python_version < "3.11"
plain
"""
    assert own_requirements(text, "f") == (
        "pandas==2.2.3",
        "scikit-learn >= 1.5, <2",
        "httpx[http2,socks]~=0.28",
        'tomli; python_version < "3.11"',
        "plain",
    )


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://evil.example/simple", "-r /etc/passwd", "-e .", "./local", "/etc/x.whl", "file:///x",
        "x @ https://evil.example/x.whl", "git+https://h/x", "a b", "x==1 --hash=sha256:0", "x\\", "${HOME}",
    ],
)  # fmt: skip
def test_what_leads_elsewhere_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        own_requirements(f"pandas\n\n{line}\n", "a/requirements.txt")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("a/requirements.txt", 3)
