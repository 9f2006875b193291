"""From settings to the estate: branches, tenants and environments as live objects."""

from __future__ import annotations

import time
from dataclasses import replace

from aicore_sync.aicore import (
    PATIENCE,
    AICore,
    ClientOptions,
    GitCredentials,
)
from aicore_sync.app.resources import declared
from aicore_sync.app.reviews import reviews_of
from aicore_sync.app.wires import Wires, api_network, git_network, login_of
from aicore_sync.config import Reconcile, Repository, Settings
from aicore_sync.config import Tenant as TenantSettings
from aicore_sync.controller.estate import Branch, Environment, Estate, Home, Limits, Tenant, Timings
from aicore_sync.core.desired import RunPolicy
from aicore_sync.core.plan.registration import normal_url
from aicore_sync.core.wanted import want_retention, want_retry
from aicore_sync.core.world import Application
from aicore_sync.datastore import DataStore, DataStoreOptions, StoreKeys
from aicore_sync.git import (
    Author,
    Clone,
    Committer,
    LockTimes,
    OwnerLock,
    Remote,
    Signing,
    StateBranch,
)
from aicore_sync.render import InstanceType


async def build_estate(wires: Wires) -> Estate:
    """All branches, tenants and environments; connections are opened, nothing is asked."""
    settings = wires.settings
    homes: dict[str, Home] = {}
    branches = {item.name: await _branch(wires, item, homes) for item in settings.repositories}
    tenants = {item.name: await _tenant(wires, item, branches[item.repository]) for item in settings.tenants}
    places = (Environment(e.name, e.tenant, e.resource_group, e.retire) for e in settings.environments)
    timing = settings.reconcile
    return Estate(
        owner=settings.owner,
        tenants=tenants,
        environments={place.name: place for place in places},
        branches=branches,
        policy=_policy(timing),
        timings=Timings(
            interval=timing.interval,
            gone_after=timing.gone_after,
            list_age=min(10.0, timing.interval / 3),
            round_age=timing.interval / 2,
            push_retry=min(30.0, timing.interval),
            polls=tuple(min(seconds, timing.interval / 4) for seconds in Timings.polls),
            sync_timeout=timing.sync_timeout,
            lock_margin=timing.request_timeout + PATIENCE,
        ),
        limits=Limits(
            timing.max_removals_share, timing.max_removals, timing.max_starts_share, timing.max_starts
        ),
        clock=wires.clock.now,
        freezes=tuple(freeze.window() for freeze in settings.freeze),
        log_archive=timing.log_archive,
        log_drafts=settings.cache_dir / "logs",
    )


def _policy(timing: Reconcile) -> RunPolicy:
    return RunPolicy(
        settle=timing.settle,
        run_quiet=timing.run_quiet,
        start_within=timing.start_within,
        max_runs_per_day=timing.max_runs_per_day,
        on_failure=want_retry(timing.on_failure),
        concurrency=timing.concurrency,
        retention=want_retention(timing.retention),
        stuck_after=timing.stuck_after,
        log_directory=timing.log_archive is not None,
    )


async def _branch(wires: Wires, item: Repository, homes: dict[str, Home]) -> Branch:
    """`homes` are the repositories so far, by address: the first of its branches opens it for all of them."""
    settings, timing = wires.settings, wires.settings.reconcile
    remote = Remote(
        name=item.name,
        url=item.url,
        branch=item.branch,
        cache_dir=settings.cache_dir / "git",
        author=Author(item.author.name, item.author.email),
        credentials=lambda: login_of(item),
        signing=Signing(item.signing.format, item.signing.key.file) if item.signing else None,
        network=git_network(settings.network),
        timeout=timing.git_timeout,
        observe=wires.metrics.git_request,
    )
    now = wires.clock.seconds
    # What is published is fenced by the Lease. The state branch is open to whoever decides something.
    fenced = replace(remote, left=wires.share.seat.left)
    clone = Clone(fenced, now=now, rng=wires.rng, patience=timing.push_deadline)
    address = normal_url(item.url)
    home = homes[address] = homes.get(address) or _home(wires, remote)
    reviews = await reviews_of(wires, item, fenced)
    committer = Committer(
        reviews or clone,
        lambda key, result: wires.answered(key, result),  # noqa: PLW0108  set only after the committer exists
        window=item.window,
        guard=lambda: home.lock.ensure_held(timing.request_timeout),
    )
    wires.stack.push_async_callback(clone.close)
    return Branch(item.name, clone, committer, home, reviews)


def _home(wires: Wires, remote: Remote) -> Home:
    timing, now = wires.settings.reconcile, wires.clock.seconds
    state = StateBranch(remote, wires.settings.owner, now=now, rng=wires.rng, patience=timing.push_deadline)
    times = LockTimes(timing.lock_expiry, timing.lock_renew)
    lock = OwnerLock(state, wires.holder, now=now, times=times, seat=wires.share.seat)
    wires.stack.push_async_callback(state.close)
    return Home(remote.name, state, lock)


async def _tenant(wires: Wires, item: TenantSettings, branch: Branch) -> Tenant:
    settings = wires.settings
    timing, network = settings.reconcile, settings.network
    repository = settings.repository(item.repository)
    options = ClientOptions(
        tenant=item.name,
        attempt=timing.request_timeout,
        deadline=timing.retry_deadline,
        at_once=timing.requests_per_tenant,
        network=api_network(network),
        on_request=wires.metrics.aicore_request,
        left=wires.share.seat.left,
        agent=wires.holder() if wires.share.seats else "",
    )
    client = AICore(options, lambda: wires.keys.read(item), clock=time.monotonic, rng=wires.rng)
    await wires.stack.enter_async_context(client)
    return Tenant(
        name=item.name,
        client=client,
        branch=branch,
        application=item.application.name,
        path=item.application.path,
        format=repository.format,
        store=_store(settings, item),
        store_root=item.datastore.root,
        store_endpoint=item.datastore.endpoint or "",
        store_secret=item.datastore.secret_name,
        wanted_application=Application(
            item.application.name, repository.url, repository.branch, item.application.path
        ),
        git_login=lambda: _git_login(repository),
        declared=declared(settings, item, lambda: wires.keys.read(item)),
        instance_types=instance_types(item),
    )


def instance_types(item: TenantSettings) -> tuple[InstanceType, ...]:
    """The machines that are declared for a tenant, as renders take them."""
    found = sorted(item.instance_types.items())
    return tuple(InstanceType(name, size.cpu, size.memory / 2**30, size.gpu) for name, size in found)


def _store(settings: Settings, item: TenantSettings) -> DataStore:
    store, network = item.datastore, settings.network
    options = DataStoreOptions(
        root=store.root,
        endpoint=store.endpoint or "",
        region=store.region,
        proxy=network.proxy_url() or "",
        no_proxy=network.no_proxy,
        ca_bundle=str(network.ca_bundle or ""),
        timeout=settings.reconcile.upload_timeout,
    )

    def keys() -> StoreKeys | None:
        login = store.credentials
        return StoreKeys(login.access_key_id.read(), login.secret_access_key.read()) if login else None

    return DataStore(options, keys)


def _git_login(item: Repository) -> GitCredentials:
    """What AI Core needs to read the repository; without a login it gets an empty one."""
    if item.credentials is None:
        return GitCredentials("", "")
    return GitCredentials(item.credentials.username, item.credentials.password.read())
