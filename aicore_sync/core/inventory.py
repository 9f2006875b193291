"""Which flows and hand-written templates a source holds: files paired with their manifests.

One bad file never hides the others. What is wrong with a flow stands beside it: it is known, is not rendered, and
its runtime objects still follow the manifest. Where not even the identity is known, the entry is in `broken`, and
nothing may be taken for removed on the strength of that inventory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from aicore_sync.core.discover import FoundFlow, FoundTemplate, find_flows, find_template, guess_flows
from aicore_sync.core.document import Path, child_of, key_text, nearest, read_document
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.manifest import (
    Defaults,
    Manifest,
    complete,
    default_manifest,
    executable_id,
    for_environment,
    parse_manifest,
    template_conflicts,
)
from aicore_sync.core.problems import did_you_mean
from aicore_sync.core.rights import Rights

MANIFEST = "aicore.yaml"
SUFFIX = ".aicore.yaml"
Read = Callable[[str], str]


@dataclass(frozen=True)
class FlowSource:
    """One flow or hand-written template, named by `manifest.executable.id`.

    `file` is the flow or template, `directory` the one it lies in (what Metaflow packages), both posix paths
    below the source's root ("" is the root); `manifest_file` is "" where there is none. `manifest` is complete;
    apply `for_environment` to it. With `problems` it cannot be rendered now. `origin` is the name of the source that
    it is from, and `denied` are environments that the manifest names and the source may not use: the flow has no key
    there, and what is there because of an earlier right is kept until a person decides.
    """

    directory: str
    file: str
    manifest_file: str
    manifest: Manifest
    found: FoundFlow | FoundTemplate
    problems: tuple[Problem, ...] = ()
    origin: str = ""
    denied: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """The file's name."""
        return self.file.rpartition("/")[2]


@dataclass(frozen=True)
class Broken:
    """A file that should describe a flow and does not. `executable` is the id it likely has, "" when unknown."""

    file: str
    executable: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Inventory:
    """Everything found, in the order of the files."""

    sources: tuple[FlowSource, ...]
    broken: tuple[Broken, ...]

    def problems(self) -> tuple[Problem, ...]:
        """All problems, in the order of files and lines."""
        items: list[FlowSource | Broken] = [*self.sources, *self.broken]
        return tuple(sorted({problem for item in items for problem in item.problems}))


def is_manifest(path: str) -> bool:
    """True for `aicore.yaml` and `<name>.aicore.yaml`."""
    name = path.rpartition("/")[2]
    return name == MANIFEST or (name.endswith(SUFFIX) and name != SUFFIX)


def _is_general(path: str) -> bool:
    return path.rpartition("/")[2] == MANIFEST


@dataclass(frozen=True)
class Part:
    """What one source contributes: its files (posix paths that no other part has), and what its flows may do."""

    paths: Iterable[str]
    rights: Rights = field(default_factory=Rights)


def take_inventory(
    parts: Iterable[Part], read: Read, defaults: Defaults, tenants: Mapping[str, str]
) -> Inventory:
    """Pair all files of all sources; `read` gives a file's text.

    `tenants` maps the environments of the configuration to their tenants.
    """
    entries = [entry for part in parts for entry in _entries(part, read, defaults, tenants)]
    sources = _contested([entry for entry in entries if isinstance(entry, FlowSource)], tenants)
    broken = [entry for entry in entries if isinstance(entry, Broken)]
    return Inventory(
        tuple(sorted(sources, key=lambda s: (s.file, s.manifest.executable.id))),
        tuple(sorted(broken, key=lambda b: b.file)),
    )


def _entries(
    part: Part, read: Read, defaults: Defaults, tenants: Mapping[str, str]
) -> Iterator[FlowSource | Broken]:
    rights = part.rights
    found = _Finder(frozenset(part.paths), read, rights.defaults(defaults), (rights, rights.tenants(tenants)))
    manifests = sorted(
        filter(is_manifest, found.paths), key=lambda path: (path.endswith("/" + MANIFEST), path)
    )
    entries = [found.by_manifest(path) for path in manifests]
    entries += [
        entry for path in sorted(found.paths) if path.endswith(".py") for entry in found.without(path)
    ]
    for entry in entries:
        yield within(rights, entry) if isinstance(entry, FlowSource) else entry


def within(rights: Rights, source: FlowSource) -> FlowSource:
    """With what the source may not do taken away: no key exists for it, whatever the manifest says."""
    wanted = source.manifest.environments
    file = source.manifest_file or source.file
    overlays = (source.manifest.overlays.get(name, {}) for name in wanted)
    own_ids = (str((overlay.get("executable") or {}).get("id") or "") for overlay in overlays)
    ids = sorted({source.manifest.executable.id, *own_ids} - {""})
    foreign = tuple(problem for name in ids for problem in rights.foreign_name(name, file))
    denied = wanted if foreign else rights.denied(wanted)
    kept = tuple(name for name in wanted if name not in denied)
    manifest = source.manifest.model_copy(update={"environments": kept}) if denied else source.manifest
    problems = (*source.problems, *foreign)
    return replace(source, manifest=manifest, problems=problems, origin=rights.source, denied=denied)


class _Finder:
    def __init__(
        self,
        paths: frozenset[str],
        read: Read,
        defaults: Defaults,
        allowed: tuple[Rights, Mapping[str, str]],
    ) -> None:
        self.paths = paths
        self.read = read
        self.defaults = defaults
        self.rights, self.tenants = allowed
        self.claimed: set[str] = set()  # flow files and directories that a manifest speaks for

    def by_manifest(self, path: str) -> FlowSource | Broken:
        text = self.read(path)
        directory = path.rpartition("/")[0]
        try:
            manifest = parse_manifest(text, path)
            file, found, problems = self._target(path, manifest)
            self.claimed.add(file)
            whole = complete(manifest, found, self.defaults)
            problems += tuple(_placed(text, self._targeting(whole, path), path))
        except InvalidInput as error:
            self.claimed.add(self._named_after(path) or directory)
            return Broken(path, self._likely(path, text), error.problems)
        return FlowSource(file.rpartition("/")[0], file, path, whole, found, problems)

    def without(self, path: str) -> Iterator[FlowSource | Broken]:
        """Flows of a file that no manifest speaks for."""
        directory = path.rpartition("/")[0]
        if self.claimed & {path, directory}:
            return
        flows, problems = self._flows(path)
        for found in flows:
            if not found.has_main:
                continue
            try:
                manifest = default_manifest(found, self.defaults)
            except InvalidInput as error:
                yield Broken(path, executable_id(found.class_name), error.problems)
            else:
                yield FlowSource(directory, path, "", manifest, found, problems)

    def _named_after(self, path: str) -> str | None:
        """`train.aicore.yaml` speaks for `train.py`."""
        script = path.removesuffix(SUFFIX) + ".py"
        return (
            script
            if not path.endswith("/" + MANIFEST) and path != MANIFEST and script in self.paths
            else None
        )

    def _target(
        self, path: str, manifest: Manifest
    ) -> tuple[str, FoundFlow | FoundTemplate, tuple[Problem, ...]]:
        """The file a manifest speaks for, what is in it, and what is wrong with it."""
        directory = path.rpartition("/")[0]
        name = manifest.template or manifest.script
        file = f"{directory}/{name}" if directory and name else name
        if not file:
            file = self._named_after(path) or self._only_flow(path, directory)
        key = "template" if manifest.template else "flow"
        if file not in self.paths:
            near = sorted(
                p.removeprefix(f"{directory}/") for p in self.paths if p.rpartition("/")[0] == directory
            )
            cure = did_you_mean(name, near)
            raise InvalidInput([Problem(path, 1, key, f'"{name}"', "a file beside the manifest", cure)])
        if manifest.template:
            template = find_template(self.read(file), file)
            if template is None:
                return self._unreadable_template(file, manifest)
            return file, template, ()
        return (file, *self._chosen(path, file, manifest))

    def _unreadable_template(
        self, file: str, manifest: Manifest
    ) -> tuple[str, FoundTemplate, tuple[Problem, ...]]:
        """With a manifest that names the executable and its scenario, its runtime objects can still follow it."""
        _, problems = read_document(self.read(file), file)
        expected = "a WorkflowTemplate (argoproj.io/v1alpha1) or ServingTemplate (ai.sap.com/v1alpha1)"
        problems = problems or (Problem(file, 1, "kind", "no template", expected),)
        if not (manifest.executable.id and manifest.scenario.id):
            raise InvalidInput(problems)
        return file, FoundTemplate("", manifest.executable.id, file), problems

    def _chosen(self, path: str, file: str, manifest: Manifest) -> tuple[FoundFlow, tuple[Problem, ...]]:
        flows, problems = self._flows(file)
        wanted = manifest.flow_class
        fitting = [flow for flow in flows if wanted in (None, flow.class_name)]
        if len(fitting) > 1:
            fitting = [flow for flow in fitting if flow.has_main] or fitting
        names = ", ".join(flow.class_name for flow in flows) or "no flow"
        if problems and len(fitting) != 1 and manifest.executable.id:
            return FoundFlow(wanted or "", file, 0, has_main=True), problems
        if len(fitting) != 1:
            expected = f"the class {wanted} in it" if wanted else "exactly one flow"
            cure = "" if wanted else f"write `flow: {file.rpartition('/')[2]}:CLASS`"
            raise InvalidInput([*problems, Problem(path, 1, "flow", f"{names} in {file}", expected, cure)])
        if not fitting[0].has_main:
            cure = f'end the file with: if __name__ == "__main__": {fitting[0].class_name}()'
            problems += (
                Problem(file, fitting[0].line, "", "a flow that is never started", "a main block", cure),
            )
        return fitting[0], problems

    def _flows(self, file: str) -> tuple[tuple[FoundFlow, ...], tuple[Problem, ...]]:
        text = self.read(file)
        try:
            return find_flows(text, file), ()
        except InvalidInput as error:
            return guess_flows(text, file), error.problems

    def _only_flow(self, path: str, directory: str) -> str:
        """The flow file that a manifest without `flow` means: the only one of its directory left."""
        near = (p for p in self.paths if p.endswith(".py") and p.rpartition("/")[0] == directory)
        files = sorted(p for p in near if p not in self.claimed and self._flows(p)[0])
        if len(files) == 1:
            return files[0]
        found = ", ".join(file.rpartition("/")[2] for file in files) or "no flow in this directory"
        cure = "name it: `flow: FILE.py`, or `template: FILE.yaml`"
        raise InvalidInput([Problem(path, 1, "flow", found, "one flow", cure)])

    def _targeting(self, manifest: Manifest, path: str) -> Iterator[tuple[Path, Problem]]:
        """Environments that do not exist, to run in or to render in, and templates that differ where they must not."""
        known = sorted(self.tenants)
        places: list[tuple[Path, str]] = [
            (("environments", at), n) for at, n in enumerate(manifest.environments)
        ]
        places += [(("overlays", name), name) for name in manifest.overlays]
        for place, name in places:
            if name not in self.tenants:
                expected = self.rights.choice(known)
                yield (
                    place,
                    Problem(path, 0, key_text(place), f'"{name}"', expected, self.rights.cure(name, known)),
                )
        yield from self.rights.unknown_rendering(manifest, path)
        for problem in template_conflicts(manifest, self.tenants, path):
            yield tuple(problem.key.split(".", 1)), problem

    def _likely(self, path: str, text: str) -> str:
        """The executable id that a bad manifest likely means, "" when nothing tells."""
        node, _ = read_document(text, path)
        part = child_of(node, "executable") if node else None
        own = child_of(part, "id") if part else None
        if own is not None and isinstance(own.value, str):
            return own.value
        directory = path.rpartition("/")[0]
        files = [self._named_after(path) or ""]
        if not files[0]:
            files = [p for p in self.paths if p.endswith(".py") and p.rpartition("/")[0] == directory]
        flows = [flow for file in files for flow in self._flows(file)[0]]
        return executable_id(flows[0].class_name) if len(flows) == 1 else ""


def _placed(text: str, found: Iterable[tuple[Path, Problem]], path: str) -> Iterator[Problem]:
    found = list(found)
    node = read_document(text, path)[0] if found else None
    for place, problem in found:
        yield replace(problem, line=nearest(node, place)[0].line if node else 0)


def _contested(sources: list[FlowSource], tenants: Mapping[str, str]) -> list[FlowSource]:
    """Two sources with one executable id in one tenant: both get the problem, so neither overwrites the other."""
    users: dict[tuple[str, str], list[FlowSource]] = defaultdict(list)
    for source in sources:
        named = (name for name in source.manifest.environments if name in tenants)
        for key in {(tenants[name], for_environment(source.manifest, name).executable.id) for name in named}:
            users[key].append(source)
    rivals = {key: claims for key, claims in sorted(users.items()) if len(claims) > 1}
    return [_with_rivals(source, rivals) for source in sources] if rivals else sources


def _with_rivals(source: FlowSource, rivals: Mapping[tuple[str, str], list[FlowSource]]) -> FlowSource:
    problems = list(source.problems)
    for (tenant, executable), claims in rivals.items():
        others = [item.file for item in claims if item is not source]
        if len(others) == len(claims):
            continue
        found = f'"{executable}", as in {", ".join(others)}'
        expected = f"an executable id that is unique in tenant {tenant}"
        file = source.manifest_file or source.file
        cure = "set another one in one of the manifests"
        problems.append(Problem(file, 0, "executable.id", found, expected, cure, "AC161"))
    return replace(source, problems=tuple(problems))
