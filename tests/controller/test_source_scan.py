from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aicore_sync.controller.source import Scan, files_below, scan, snapshot
from aicore_sync.controller.source.selection import matches


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        put(root, name.replace("__", "/") + ".py", text)


def put(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_scan_is_paths_and_digests(tmp_path: Path) -> None:
    write(tmp_path, flow="a", train__flow="b", train__lib__x="c")
    found = scan(tmp_path)
    assert found.files == {"flow.py": sha("a"), "train/flow.py": sha("b"), "train/lib/x.py": sha("c")}
    assert found.complete
    assert found.problems == ()


def test_noise_is_not_source(tmp_path: Path) -> None:
    names = [
        ".git/config",
        ".hidden",
        "a/.venv/x.py",
        "a/__pycache__/x.pyc",
        "a/x.py~",
        "a/.x.py.swp",
        "x.py.tmp",
    ]
    for name in [*names, "4913", "#x.py#", ".#x.py", "node_modules/m/x.js", "a/x.py"]:
        put(tmp_path, name, "x")
    assert list(scan(tmp_path).files) == ["a/x.py"]


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("tests/x.py", "tests/", True),
        ("a/tests/b/x.py", "tests/", True),
        ("tests", "tests/", False),
        ("a/x.py", "*.py", True),
        ("a/x.py", "/*.py", False),
        ("x.py", "/*.py", True),
        ("a/b/x.py", "a/**/*.py", True),
        ("a/x.py", "a/**/*.py", True),
        ("a/b/x.py", "a/*.py", False),
        ("a/b/x.py", "a", True),
        ("a/b/x.py", "a/**", True),
        ("ab/x.py", "a", False),
        ("x1.py", "x[0-9].py", True),
        ("xa.py", "x[!0-9].py", True),
        ("x1.py", "x[!0-9].py", False),
        ("x.py", "x?py", True),
        ("x+py", "x.py", False),
        ("x[z-a]", "x[z-a]", True),
    ],
)
def test_globs(path: str, glob: str, expected: bool) -> None:
    assert matches(path, [glob]) is expected


def test_include_and_exclude(tmp_path: Path) -> None:
    for name in ["a/x.py", "a/data.csv", "a/tests/t.py", "b/x.py"]:
        put(tmp_path, name, name)
    assert list(scan(tmp_path, ["a/"], ["tests/"]).files) == ["a/data.csv", "a/x.py"]
    assert list(scan(tmp_path, ["*.py"], ["b"]).files) == ["a/tests/t.py", "a/x.py"]


def test_content_decides_not_time(tmp_path: Path) -> None:
    path = put(tmp_path, "x.py", "old")
    first = scan(tmp_path)
    os.utime(path, (1, 1))
    touched = scan(tmp_path, previous=first)
    assert touched.files == first.files
    path.write_text("new")
    os.utime(path, (1, 1))
    assert scan(tmp_path, previous=touched).files == {"x.py": sha("new")}


def test_unchanged_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a="a", b="b")
    settled = scan(tmp_path, previous=scan(tmp_path))
    put(tmp_path, "b.py", "changed")
    read: list[str] = []

    def record(path: str) -> str:
        read.append(Path(path).name)
        return sha("changed")

    monkeypatch.setattr("aicore_sync.controller.source.walk.file_digest", record)
    assert scan(tmp_path, previous=settled).files == {"a.py": sha("a"), "b.py": sha("changed")}
    assert read == ["b.py"]


def test_a_write_that_leaves_no_trace_in_the_stat_is_seen_by_the_next_scan(tmp_path: Path) -> None:
    # Two writes within one clock tick: same size, times and inode. Forged here by a cache that holds the old digest.
    write(tmp_path, a="new")
    first = scan(tmp_path)
    stale = {path: known._replace(digest=sha("old")) for path, known in first.known.items()}
    assert scan(tmp_path, previous=Scan(known=stale)).files == {"a.py": sha("new")}


def test_links_within_the_source_are_followed(tmp_path: Path) -> None:
    write(tmp_path, shared__x="x")
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow/lib").symlink_to("../shared")
    (tmp_path / "flow/y.py").symlink_to("../shared/x.py")
    assert set(scan(tmp_path).files) == {"shared/x.py", "flow/lib/x.py", "flow/y.py"}


def test_links_that_leave_the_source_are_refused_and_named(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, a="a")
    put(tmp_path, "secret/key.py", "s")
    put(root, ".git/config", "password")
    (root / "out.py").symlink_to(tmp_path / "secret/key.py")
    (root / "outdir").symlink_to("../secret")
    (root / "config").symlink_to(".git/config")
    (root / "dangling").symlink_to("nowhere")
    (root / "loop").symlink_to(".")
    found = scan(root)
    assert list(found.files) == ["a.py"]
    assert {p.file: p.found for p in found.problems} == {
        "out.py": "a link that leaves the source",
        "outdir": "a link that leaves the source",
        "config": "a link that leaves the source",
        "dangling": "a link to nothing",
        "loop": "a link to a directory that contains it",
    }
    assert {p.file for p in found.hiding} == {"out.py", "outdir", "dangling", "loop"}
    assert not found.complete, "a flow may be behind them"


def test_a_neighbour_with_the_roots_name_as_prefix_is_outside(tmp_path: Path) -> None:
    write(tmp_path / "root-old", a="a")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/x").symlink_to("../root-old/a.py")
    assert scan(tmp_path / "root").files == {}


def test_a_config_map_swap_changes_content_behind_the_same_names(tmp_path: Path) -> None:
    put(tmp_path, "..1/cfg.yaml", "one")
    put(tmp_path, "..2/cfg.yaml", "two")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "cfg.yaml").symlink_to("..data/cfg.yaml")
    first = scan(tmp_path, previous=scan(tmp_path))
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert first.files == {"cfg.yaml": sha("one")}
    assert scan(tmp_path, previous=first).files == {"cfg.yaml": sha("two")}


def test_special_files_and_strange_names_are_problems(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    Path(os.fsdecode(bytes(tmp_path) + b"/bad\xff.py")).touch()
    found = scan(tmp_path)
    assert found.files == {}
    assert sorted(p.found for p in found.problems) == [
        "a device, pipe or socket",
        "a name that is not printable text",
    ]
    assert all(str(problem).isprintable() for problem in found.problems)


def test_a_missing_root_is_incomplete_and_keeps_what_was_known(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, a="a")
    before = scan(root)
    root.rename(tmp_path / "away")
    after = scan(root, previous=before)
    assert not after.complete
    assert after.files == before.files
    assert after.problems


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users may enter; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_an_unreadable_directory_is_incomplete_and_nothing_in_it_is_gone(open_directory: Path) -> None:
    write(open_directory, closed__a="a", closed__deep__b="b", open__c="c")
    before = scan(open_directory)
    put(open_directory, "open/c.py", "changed")
    (open_directory / "closed").chmod(0)
    uid = os.geteuid()
    try:
        if uid == 0:
            os.seteuid(65534)
        after = scan(open_directory, previous=before)
    finally:
        os.seteuid(uid)
        (open_directory / "closed").chmod(0o755)
    assert not after.complete
    assert after.files == {**before.files, "open/c.py": sha("changed")}
    assert [p.file for p in after.problems] == ["closed"]
    assert scan(open_directory, previous=after).complete


def test_a_git_checkout_is_seen_whole(tmp_path: Path) -> None:
    def git(*args: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *identity, *args], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    for branch in ("one", "two"):
        for number in range(300):
            put(tmp_path, f"d{number % 10}/f{number}.py", f"{branch} {number}")
        git("checkout", "-q", "-b", branch)
        git("add", ".")
        git("commit", "-qm", branch)
    two = scan(tmp_path, previous=scan(tmp_path))
    git("checkout", "-q", "one")
    one = scan(tmp_path, previous=two)
    assert one.files == {f"d{n % 10}/f{n}.py": sha(f"one {n}") for n in range(300)}
    git("checkout", "-q", "two")
    assert scan(tmp_path, previous=one).files == two.files


def test_flow_directories(tmp_path: Path) -> None:
    write(tmp_path, train__flow="f", train__lib__x="x", training__flow="other", flow="root")
    put(tmp_path, "train/README", "r")
    found = scan(tmp_path)
    assert set(files_below(found, "train")) == {"flow.py", "lib/x.py", "README"}
    assert len(files_below(found, "")) == 5


def test_a_flow_directory_that_moves_holds_the_same(tmp_path: Path) -> None:
    write(tmp_path, train__flow="f")
    before = files_below(scan(tmp_path), "train")
    (tmp_path / "train").rename(tmp_path / "moved")
    assert files_below(scan(tmp_path), "moved") == before


def test_a_snapshot_is_what_the_scan_saw(tmp_path: Path) -> None:
    root, into = tmp_path / "root", tmp_path / "copy/it"
    write(root, train__flow="f", train__lib__x="x", other="o")
    (root / "train/link.py").symlink_to("../other.py")
    (root / "train/flow.py").chmod(0o700)
    files = files_below(scan(root), "train")
    assert snapshot(root, "train", files, into)
    assert files_below(scan(into), "") == files
    assert not (into / "link.py").is_symlink()
    assert (into / "flow.py").stat().st_mode & 0o777 == 0o644


def test_a_snapshot_of_something_that_changed_is_none(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, a__x="x", a__y="y")
    files = files_below(scan(root), "a")
    for change in (lambda: put(root, "a/y.py", "new"), (root / "a/x.py").unlink):
        change()
        assert not snapshot(root, "a", files, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()


def test_a_change_after_copying_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    write(root, a="a", b="b")
    found = scan(root)
    module = "aicore_sync.controller.source.copy.shutil.copyfile"

    def copy_then_change(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())
        if source.name == "b.py":
            put(root, "a.py", "changed after it was copied")

    monkeypatch.setattr(module, copy_then_change)
    assert not snapshot(root, "", found.files, tmp_path / "copy")


def test_a_snapshot_never_follows_a_link_that_was_swapped_in(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, a="same")
    put(tmp_path, "outside.py", "same")
    found = scan(root)
    (root / "a.py").unlink()
    (root / "a.py").symlink_to("../outside.py")
    assert not snapshot(root, "", found.files, tmp_path / "copy")


def test_too_many_files_stop_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aicore_sync.controller.source.walk.MAX_FILES", 2)
    write(tmp_path, a="a", b="b", c="c", d="d")
    found = scan(tmp_path)
    assert not found.complete
    assert len(found.files) == 2
    assert "more than 2 files" in found.problems[0].found
