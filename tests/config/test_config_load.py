"""Loading the configuration: every mistake at once, with file, line, key and cure; secrets only as references."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aicore_sync.config import Settings, load_settings, parse_settings, secret_references
from aicore_sync.core.errors import InvalidInput

FILE = Path("/etc/aicore-sync/config.yaml")
GOOD = """\
owner: ml-team
sources:
  - {name: flows, directory: flows}
repositories:
  - name: templates
    url: https://git.example.com/ml/templates.git
    credentials: {username: git, password: {env: GIT_TOKEN}}
  - name: other
    url: git@git.example.com:ml/other.git
    sshKey: {file: keys/id, knownHosts: /keys/known_hosts}
tenants:
  - name: one
    serviceKey: {file: secrets/key.json}
    repository: templates
    application: {name: ml-one, path: templates/one}
    datastore: {root: s3://bucket/prefix}
  - name: two
    repository: templates
    application: {name: ml-two, path: templates/two}
    datastore: {root: s3://bucket/two}
environments:
  - {name: dev, tenant: one}
  - {name: prod, tenant: two, resourceGroup: prod}
defaults:
  environments: [dev]
  environment: {RATE: 0.10}
reconcile: {interval: 1m30s, jitter: 10%}
render: {memory: 1Gi}
"""


def load(text: str = GOOD, environ: dict[str, str] | None = None) -> Settings:
    return parse_settings(text, FILE, environ or {})


def test_values() -> None:
    settings = load()
    assert settings.sources[0].directory == FILE.parent / "flows", "relative to the file"
    assert (settings.reconcile.interval, settings.reconcile.jitter, settings.reconcile.settle) == (
        90,
        0.1,
        90,
    )
    assert settings.render.memory == 2**30
    assert settings.defaults.environment == {"RATE": "0.10"}
    assert settings.tenants_by_environment() == {"dev": "one", "prod": "two"}
    assert settings.environment("dev").resource_group == "default"
    assert settings.tenant("two").service_key is None
    assert settings.repository("other").ssh_key is not None
    assert [key for key, _ in secret_references(settings)] == [
        "repositories[0].credentials.password",
        "tenants[0].serviceKey",
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ("owner: ml-team", "ownr: ml-team", 1, "ownr", "did you mean `owner`?"),
        ("owner: ml-team", "owner: ml.team", 1, "owner", "dots separate"),
        ("owner: ml-team", "owner: a-name-longer-than-16", 1, "owner", "1 to 16"),
        ("directory: flows", "directory: 5", 3, "sources[0].directory", 'quote it: "5"'),
        ("https://git.e", "ftp://git.e", 6, "repositories[0].url", "https://HOST/PATH"),
        ("username: git,", "", 7, "repositories[0].credentials.username", "add the key"),
        ("{env: GIT_TOKEN}", "{}", 7, "repositories[0].credentials.password", "exactly one"),
        ("{env: GIT_TOKEN}", "{evn: A}", 7, "repositories[0].credentials.password.evn", "did you mean `env`?"),
        ("url: git@git.example.com:ml/other.git", "url: https://x/y", 10, "repositories[1].sshKey", "`credentials`"),
        ("repository: templates\n    application: {name: ml-o", "repository: tmplates\n    application: {name: ml-o",
         14, "tenants[0].repository", "did you mean `templates`?"),
        ("path: templates/two", "path: templates/one", 19, "tenants[1].application.path", "tenant one"),
        ("path: templates/two", "path: ../two", 19, "tenants[1].application.path", "a directory of the repository"),
        ("root: s3://bucket/two", "root: s3://bucket/two/", 20, "tenants[1].datastore.root", "without a slash"),
        ("root: s3://bucket/two", "root: s3://b/two", 20, "tenants[1].datastore.root", "a bucket of 3 to 63"),
        ("    serviceKey: {file: secrets/key.json}\n", "", 16, "tenants[1].serviceKey", "nothing, as in tenant one"),
        ("  - name: two\n", "  - name: two\n    serviceKey: {file: secrets/key.json}\n", 18, "tenants[1].serviceKey",
         "the service key of tenant one"),
        ("tenant: two, resourceGroup: prod", "tenant: one", 23, "environments[1]", "as in environment dev"),
        ("tenant: two,", "tenant: tow,", 23, "environments[1].tenant", "did you mean `two`?"),
        ("name: prod,", "name: dev,", 23, "environments[1].name", "a second time"),
        ("environments: [dev]", "environments: [dve]", 25, "defaults.environments[0]", "did you mean `dev`?"),
        ("environment: {RATE: 0.10}", "renderEnvironment: ml", 26, "defaults.renderEnvironment", "environments: none"),
        ("interval: 1m30s", "interval: soon", 27, "reconcile.interval", "90s, 3m"),
        ("interval: 1m30s", "lockRenew: 1h", 27, "reconcile.lockRenew", "less than lockExpiry"),
        ("jitter: 10%", "jitter: 10", 27, "reconcile.jitter", "between 0 and 1"),
        ("memory: 1Gi", "memory: 1 GB", 28, "render.memory", "512Mi"),
        ("memory: 1Gi", "memory: 1Mi", 28, "render.memory", "greater than"),
    ],
)  # fmt: skip
def test_mistakes(old: str, new: str, line: int, key: str, words: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(InvalidInput) as caught:
        load(GOOD.replace(old, new))
    (problem,) = [problem for problem in caught.value.problems if problem.key == key]
    assert (problem.file, problem.line) == (str(FILE), line)
    assert words in str(problem)
    assert ".;" not in str(problem)


def test_mistakes_between_sound_sections_are_told_beside_those_in_others() -> None:
    text = GOOD.replace("owner: ml-team", "ownr: 5").replace("jitter: 10%", "jitter: 10")
    with pytest.raises(InvalidInput) as caught:
        load(
            text.replace("tenant: two,", "tenant: tow,").replace("environments: [dev]", "environments: [dve]")
        )
    keys = {problem.key for problem in caught.value.problems}
    assert keys == {
        "ownr",
        "owner",
        "reconcile.jitter",
        "environments[1].tenant",
        "defaults.environments[0]",
    }


def test_all_mistakes_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        load("ownr: x\nsources: [{name: a, directory: 1, watch: never}]\nlog: {level: on}\n")
    keys = {problem.key for problem in caught.value.problems}
    assert {
        "ownr",
        "owner",
        "sources[0].directory",
        "sources[0].watch",
        "repositories",
        "tenants",
        "log.level",
    } <= keys


def test_paths_that_ai_core_takes_for_the_same_are_the_same() -> None:
    same = GOOD.replace("git@git.example.com:ml/other.git", "https://git.example.com/ML/templates/")
    same = same.replace("    sshKey: {file: keys/id, knownHosts: /keys/known_hosts}\n", "")
    same = same.replace("repository: templates\n    application: {name: ml-two, path: templates/two}",
                        "repository: other\n    application: {name: ml-two, path: templates/one}")  # fmt: skip
    with pytest.raises(InvalidInput, match="repository, branch and path of tenant one"):
        load(same)


CANARY = "s3cr3t-canary"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://git.example", f"https://user:{CANARY}@git.example"),
        ("https://git.example", f"https://{CANARY}@git.example"),
        ("https://git.example", f"https://user:{CANARY}@[bad"),
        ("{env: GIT_TOKEN}", CANARY),
        ("{env: GIT_TOKEN}", f"[{CANARY}]"),
        ("{env: GIT_TOKEN}", f"{{value: {CANARY}}}"),
        ("{file: secrets/key.json}", f'{{"clientsecret": "{CANARY}"}}'),
        ("render: {memory: 1Gi}", f"network: {{proxy: 'http://u:{CANARY}@proxy:3128'}}"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_shown(old: str, new: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(GOOD.replace(old, new))
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_file_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="config example"):
        load_settings(tmp_path / "none.yaml", {})


def test_environment_secrets_come_from_the_given_environment() -> None:
    environ: dict[str, str] = {}
    credentials = load(environ=environ).repositories[0].credentials
    assert credentials is not None
    with pytest.raises(InvalidInput) as caught:
        credentials.password.read()
    assert caught.value.reason == "MissingSecret"
    assert caught.value.problems[0].key == "repositories[0].credentials.password"
    assert "GIT_TOKEN" in str(caught.value)
    settings = load(environ={"GIT_TOKEN": CANARY})
    assert settings.repositories[0].credentials is not None
    assert settings.repositories[0].credentials.password.read() == CANARY
    assert CANARY not in repr(settings)
    assert CANARY not in settings.model_dump_json()


def test_dollar_braces_are_not_interpolated() -> None:
    settings = load(GOOD.replace("RATE: 0.10", "RATE: '${HOME}'"))
    assert settings.defaults.environment == {"RATE": "${HOME}"}


def test_file_secrets_follow_kubernetes_symlink_swap(tmp_path: Path) -> None:
    """A mounted secret is a chain of symlinks; an update replaces `..data` by one rename."""
    for version in ("one", "two"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "key.json").write_text(f"{version}\n")
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "key.json").symlink_to("..data/key.json")
    config = tmp_path / "config.yaml"
    config.write_text(GOOD.replace("secrets/key.json", "key.json"))
    key = load_settings(config, {}).tenants[0].service_key
    assert key is not None
    assert key.read() == "one"
    (tmp_path / "..next").symlink_to("..two")
    (tmp_path / "..next").replace(tmp_path / "..data")
    assert key.read() == "two"
    (tmp_path / "key.json").unlink()
    with pytest.raises(InvalidInput) as caught:
        key.read()
    assert caught.value.problems[0].key == "tenants[0].serviceKey"
    assert str(tmp_path / "key.json") in str(caught.value)


def test_an_empty_or_binary_secret_is_missing(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(GOOD.replace("secrets/key.json", "key"))
    key = load_settings(config, os.environ).tenants[0].service_key
    assert key is not None
    for content in (b"\n", b"\xff\xfe"):
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(InvalidInput, match="serviceKey"):
            key.read()


def test_the_proxys_login_joins_only_on_demand() -> None:
    text = (
        GOOD
        + "network:\n  proxy: http://proxy:3128\n  proxyCredentials: {username: a@b, password: {env: P}}\n"
    )
    network = load(text, {"P": "p:w"}).network
    assert network.proxy_url() == "http://a%40b:p%3Aw@proxy:3128"
    assert "p:w" not in repr(network)


def sources(text: str) -> str:
    return GOOD.replace("  - {name: flows, directory: flows}\n", text)


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("  - {name: a}\n", "sources[0]", "neither of directory and git"),
        ("  - {name: a, directory: x, git: {url: 'https://h/x'}}\n", "sources[0]", "both of directory and git"),
        ("  - {name: a, directory: x}\n  - {name: a, directory: y}\n", "sources[1].name", "a second time"),
        ("  - {name: a, directory: x, environments: [dve]}\n", "sources[0].environments[0]", "did you mean `dev`?"),
        ("  - {name: a, directory: x, quiet: 5s}\n", "sources[0].quiet", "at most atMost"),
        ("  - {name: a, git: {url: 'https://h/x', branch: a, tag: b}}\n", "sources[0].git.tag", "one of them"),
        ("  - {name: a, git: {url: 'https://h/x', verify: {}}}\n", "sources[0].git.verify", "allowedSigners"),
        ("  - {name: a, git: {url: 'https://h/x', path: ../y}}\n", "sources[0].git.path", "such as `flows`"),
        ("  - {name: a, git: {url: 'https://u:p@h/x'}}\n", "sources[0].git.url", "without a login"),
        ("  - {name: a, git: {url: 'git@h:x', credentials: {username: u, password: {env: P}}}}\n",
         "sources[0].git.credentials", "`sshKey` for this URL"),
    ],
)  # fmt: skip
def test_mistakes_in_sources(text: str, key: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(sources(text))
    (problem,) = [problem for problem in caught.value.problems if problem.key == key]
    assert words in str(problem)


def test_with_several_sources_each_needs_its_environments() -> None:
    (only,) = load().sources
    assert load().environments_of(only) == {"dev", "prod"}
    several = load(sources("  - {name: a, directory: x}\n  - {name: b, directory: y, environments: [dev]}\n"))
    assert [several.environments_of(source) for source in several.sources] == [frozenset(), {"dev"}]


@pytest.mark.parametrize(
    ("publish", "key", "words"),
    [
        ("{mode: pullRequest}", "repositories[0].publish.forge", "which kind of server"),
        ("{forge: gitlab}", "repositories[0].publish.mode", "`pullRequest` with these keys"),
        ("{mode: pullRequest, forge: gitea}", "repositories[0].publish.forge", "bitbucket"),
    ],
)
def test_mistakes_in_publishing(publish: str, key: str, words: str) -> None:
    text = GOOD.replace("  - name: other", f"    publish: {publish}\n  - name: other")
    with pytest.raises(InvalidInput) as caught:
        load(text)
    (problem,) = [problem for problem in caught.value.problems if problem.key == key]
    assert words in str(problem)


def test_requests_need_a_token_that_opens_the_api() -> None:
    ssh = "sshKey: {file: keys/id, knownHosts: /keys/known_hosts}"
    text = GOOD.replace(ssh, f"{ssh}\n    publish: {{mode: pullRequest, forge: gitlab}}")
    with pytest.raises(InvalidInput) as caught:
        load(text)
    assert [problem.key for problem in caught.value.problems] == ["repositories[1].publish.token"]


def test_logs_go_to_a_directory_that_somebody_chose() -> None:
    rule = "retention: {keep: 3, logs: directory}"
    text = GOOD.replace("reconcile: {interval: 1m30s", f"reconcile: {{{rule}, interval: 1m30s")
    with pytest.raises(InvalidInput) as refused:
        load(text)
    (problem,) = refused.value.problems
    assert "logArchive" in problem.expected
    assert "objectStore" in problem.cure
    load(text.replace(rule, f"{rule}, logArchive: /archive"))
    load(text.replace("logs: directory", "logs: objectStore"))


@pytest.mark.parametrize(
    ("reconcile", "fits"),
    [
        ("{settle: 50s}", True),
        ("{settle: 49s}", False),
        ("{settle: 0, requestTimeout: 1s}", False),
        ("{settle: 0, allowShortSettle: true}", True),
        ("{requestTimeout: 2m}", False),
    ],
)
def test_settle_outlasts_a_request_and_the_lag_of_lists(reconcile: str, fits: bool) -> None:
    text = GOOD.replace("reconcile: {interval: 1m30s, jitter: 10%}", f"reconcile: {reconcile}")
    if fits:
        load(text)
        return
    with pytest.raises(InvalidInput) as refused:
        load(text)
    (problem,) = refused.value.problems
    assert problem.key == "reconcile"
    assert "settle" in problem.found
    assert "allowShortSettle" in problem.cure
