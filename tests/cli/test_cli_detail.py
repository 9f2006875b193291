"""A failed flow's own words reach the person at the terminal, and nothing else does."""

from __future__ import annotations

import pytest

from aicore_sync.app.checks import Checked
from aicore_sync.cli.detail import print_detail
from aicore_sync.cli.lint import LintForm, _print
from aicore_sync.core.lint import Finding
from aicore_sync.telemetry import Masker


def test_secrets_and_commands_to_the_terminal_are_taken_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_detail("flow.py:3: load('s3cr3t-canary')\n\x1b]0;title\x07[red]\n", Masker(["s3cr3t-canary"]))
    assert capsys.readouterr().err == "  flow.py:3: load('***')\n  �]0;title�[red]\n"


def test_only_its_end_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_detail("first" + "x" * 100_000 + "last", Masker())
    said = capsys.readouterr().err
    assert len(said) < 4100
    assert said.endswith("last\n")


@pytest.mark.parametrize(
    ("form", "shown"), [(LintForm.TABLE, True), (LintForm.JSON, False), (LintForm.SARIF, False)]
)
def test_lint_shows_it_to_people(capsys: pytest.CaptureFixture[str], form: LintForm, shown: bool) -> None:
    finding = Finding(
        "AC181", "error", "no", file="a/flow.py", line=3, detail="flow.py:3 in f: s3cr3t-canary"
    )
    _print(Checked((finding,), 1), form, Masker(["s3cr3t-canary"]))
    printed = capsys.readouterr()
    assert ("  flow.py:3 in f: ***" in printed.err) == shown
    assert "s3cr3t-canary" not in printed.out + printed.err
