"""Mistakes between the keys of the configuration: names that nothing has, and two things in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, get_args

from aicore_sync.config.http import http_findings
from aicore_sync.config.model import Repository, Settings
from aicore_sync.config.publish import KNOWN_HOSTS, ForgeKind
from aicore_sync.config.remotes import host_of
from aicore_sync.config.secret import SecretRef
from aicore_sync.config.sources import GitSource, Source
from aicore_sync.core.document import Path as KeyPath
from aicore_sync.core.plan.registration import normal_url
from aicore_sync.core.problems import Finding, did_you_mean

Check = Callable[[Settings], Iterator[Finding]]


def findings(settings: Settings, unsound: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """What is wrong between sections, those apart that are `unsound`."""
    for sections, check in _CHECKS:
        if unsound.isdisjoint(sections.split()):
            yield from check(settings)


def _doubles(key: str) -> Check:
    def check(settings: Settings) -> Iterator[Finding]:
        names = [item.name for item in getattr(settings, key)]
        for at, name in enumerate(names):
            if name in names[:at]:
                yield (key, at, "name"), f'"{name}" a second time', "every name once", "rename one of them"

    return check


def _names(items: Iterable[Any]) -> list[str]:
    return [item.name for item in items]


def _repositories(settings: Settings) -> Iterator[Finding]:
    for at, tenant in enumerate(settings.tenants):
        yield from _known(("tenants", at, "repository"), tenant.repository, _names(settings.repositories))


def _tenants(settings: Settings) -> Iterator[Finding]:
    for at, environment in enumerate(settings.environments):
        yield from _known(("environments", at, "tenant"), environment.tenant, _names(settings.tenants))


def _default_environments(settings: Settings) -> Iterator[Finding]:
    for at, name in enumerate(settings.defaults.environments):
        yield from _known(("defaults", "environments", at), name, _names(settings.environments))


def _frozen_environments(settings: Settings) -> Iterator[Finding]:
    for at, freeze in enumerate(settings.freeze):
        for place, name in enumerate(freeze.environments):
            yield from _known(("freeze", at, "environments", place), name, _names(settings.environments))


def _source_environments(settings: Settings) -> Iterator[Finding]:
    for at, source in enumerate(settings.sources):
        for place, name in enumerate(source.environments or ()):
            yield from _known(("sources", at, "environments", place), name, _names(settings.environments))


def _plans(settings: Settings) -> Iterator[Finding]:
    for step in sorted(set(settings.defaults.resource_plan) & set(settings.defaults.instance_type)):
        words = "either a resource plan or an instance type for a step"
        yield ("defaults", "instanceType"), f"both for {step}", words, "remove one of them"


def _sources(settings: Settings) -> Iterator[Finding]:
    for at, source in enumerate(settings.sources):
        yield from _source(("sources", at), source)


def _logins(settings: Settings) -> Iterator[Finding]:
    for at, item in enumerate(settings.repositories):
        yield from _login(("repositories", at), item)
        yield from _publish(("repositories", at), item)


def _hooks(settings: Settings) -> Iterator[Finding]:
    return http_findings(settings.http, _names([*settings.repositories, *settings.sources]))


def _shared_keys(settings: Settings) -> Iterator[Finding]:
    """One AI Core instance as two tenants: both would own the same schedules."""
    for at, item, other in _clashes(settings.tenants, lambda t: _place_of(t.service_key)):
        if item.service_key:
            found = f"the service key of tenant {other.name}"
        else:
            found = f"nothing, as in tenant {other.name}: both would be what the AICORE_* variables name"
        cure = "name its own service key, or make it another environment of that tenant"
        yield ("tenants", at, "serviceKey"), found, "one AI Core instance for each tenant", cure


def _place_of(reference: SecretRef | None) -> tuple[object, ...]:
    return (reference.env, reference.file) if reference else ()


def _double_secrets(settings: Settings) -> Iterator[Finding]:
    """A name stands for one secret in its scope."""
    for at, tenant in enumerate(settings.tenants):
        yield from _doubles_in(("tenants", at, "registrySecrets"), [s.name for s in tenant.registry_secrets])
        yield from _doubles_in(("tenants", at, "secrets"), [f"{s.scope} {s.name}" for s in tenant.secrets])
    for at, place in enumerate(settings.environments):
        yield from _doubles_in(("environments", at, "objectStores"), [s.name for s in place.object_stores])
        yield from _doubles_in(("environments", at, "secrets"), [s.name for s in place.secrets])


def _doubles_in(path: KeyPath, names: list[str]) -> Iterator[Finding]:
    for at, name in enumerate(names):
        if name in names[:at]:
            found = f'"{name.rpartition(" ")[2]}" a second time'
            yield (*path, at, "name"), found, "every name once", "rename or remove one of them"


def _known(path: KeyPath, name: str, known: list[str]) -> Iterator[Finding]:
    if name not in known:
        yield path, f'"{name}"', "one of " + ", ".join(known), did_you_mean(name, known)


def _rendering(settings: Settings) -> Iterator[Finding]:
    name, known = settings.defaults.render_environment, sorted(settings.render.environments)
    if name and name not in known:
        expected = f"one of render.environments: {', '.join(known) or 'none'}"
        yield ("defaults", "renderEnvironment"), f'"{name}"', expected, did_you_mean(name, known)


def _clashes(items: Iterable[Any], identity: Callable[[Any], object]) -> Iterator[tuple[int, Any, Any]]:
    first: dict[object, Any] = {}
    for at, item in enumerate(items):
        other = first.setdefault(identity(item), item)
        if other is not item:
            yield at, item, other


def _shared_groups(settings: Settings) -> Iterator[Finding]:
    for at, item, other in _clashes(settings.environments, lambda e: (e.tenant, e.resource_group)):
        found = (
            f"resource group {item.resource_group} of tenant {item.tenant}, as in environment {other.name}"
        )
        yield (
            ("environments", at),
            found,
            "every resource group in one environment only",
            "remove one environment",
        )


def _shared_paths(settings: Settings) -> Iterator[Finding]:
    places = {item.name: (normal_url(item.url), item.branch) for item in settings.repositories}
    for at, _, other in _clashes(settings.tenants, lambda t: (places.get(t.repository), t.application.path)):
        found = f"the repository, branch and path of tenant {other.name}"
        cure = "give each tenant a path of its own: templates of one would be removed by the other"
        yield ("tenants", at, "application", "path"), found, "a place that no other tenant uses", cure


def _login(path: KeyPath, item: Repository | GitSource) -> Iterator[Finding]:
    web = item.url.startswith(("http://", "https://"))
    if web and item.ssh_key:
        yield (*path, "sshKey"), "a key for an http(s) URL", "`credentials`", "or use an ssh:// URL"
    if not web and item.credentials:
        expected = "`sshKey` for this URL" if not item.url.startswith("file:") else "no login for a file"
        yield (*path, "credentials"), "a password", expected, "or use an https:// URL"


def _publish(path: KeyPath, item: Repository) -> Iterator[Finding]:
    part = item.publish
    if part.mode == "push":
        if part.forge or part.api_url or part.token:
            yield (*path, "publish", "mode"), "push", "`pullRequest` with these keys", "or remove them"
        return
    if part.forge is None and host_of(item.url) not in KNOWN_HOSTS:
        cure = "say which kind of server it is"
        yield (*path, "publish", "forge"), "nothing", "one of " + ", ".join(get_args(ForgeKind)), cure
    if part.token is None and item.credentials is None:
        yield (*path, "publish", "token"), "nothing", "a token for the API", "a key for ssh does not open it"


def _source(path: KeyPath, item: Source) -> Iterator[Finding]:
    if (item.directory is None) == (item.git is None):
        found = "both" if item.git else "neither"
        yield path, f"{found} of directory and git", "exactly one of them", "two places are two sources"
    if item.quiet > item.at_most:
        cure = "shorten it"
        yield (*path, "quiet"), f"{item.quiet:g} s", f"at most atMost ({item.at_most:g} s)", cure
    if item.git:
        yield from _login((*path, "git"), item.git)
    if item.git and item.git.tag and "branch" in item.git.model_fields_set:
        yield (*path, "git", "tag"), "a tag beside a branch", "one of them", "remove the other"
    if item.git and item.git.verify and not (item.git.verify.allowed_signers or item.git.verify.gpg_keys):
        expected = "allowedSigners, gpgKeys or both"
        yield (*path, "git", "verify"), "nobody", expected, "say whose signatures count"


def _timings(settings: Settings) -> Iterator[Finding]:
    timing = settings.reconcile
    pairs = (
        ("lockRenew", timing.lock_renew, "lockExpiry", timing.lock_expiry),
        ("backoffFirst", timing.backoff_first, "backoffMost", timing.backoff_most),
    )
    for low, less, high, more in pairs:
        if less >= more:
            yield ("reconcile", low), f"{less:g} s", f"less than {high} ({more:g} s)", "shorten it"


_CHECKS: tuple[tuple[str, Check], ...] = (  # which sections each looks at
    *((key, _doubles(key)) for key in ("sources", "repositories", "tenants", "environments")),
    ("tenants repositories", _repositories),
    ("environments tenants", _tenants),
    ("defaults environments", _default_environments),
    ("defaults render", _rendering),
    ("freeze environments", _frozen_environments),
    ("defaults", _plans),
    ("sources", _sources),
    ("sources environments", _source_environments),
    ("tenants environments", _double_secrets),
    ("environments", _shared_groups),
    ("tenants repositories", _shared_paths),
    ("tenants", _shared_keys),
    ("repositories", _logins),
    ("reconcile", _timings),
    ("http repositories sources", _hooks),
)
