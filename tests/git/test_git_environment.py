"""The environment of git commands, the words of commits, and what git's words mean: pure functions."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.git import Author, Credentials, Network, Remote, SshKey
from aicore_sync.git.environment import mask, offline, online, secrets, ssh_command, unwanted
from aicore_sync.git.failures import Broken, Declined, NoSuchRef, declined, explain
from aicore_sync.git.message import compose, subject
from aicore_sync.git.objects import Draft, blob_id, folder, import_stream, parse_objects, parse_tree

LOGIN = Credentials("robot", "t0ken")


def remote(url: str, *, branch: str = "main", network: Network | None = None) -> Remote:
    return Remote("flows", url, branch, Path("/cache"), Author("a", "a@b"), network=network or Network())


def config_of(variables: dict[str, str]) -> dict[str, str]:
    count = int(variables["GIT_CONFIG_COUNT"])
    return {variables[f"GIT_CONFIG_KEY_{n}"]: variables[f"GIT_CONFIG_VALUE_{n}"] for n in range(count)}


def test_a_password_is_a_header_for_one_host_only() -> None:
    variables = online(remote("https://git.example.com:8443/team/flows.git"), LOGIN)
    config = config_of(variables)
    header = f"Authorization: Basic {base64.b64encode(b'robot:t0ken').decode()}"
    assert config["http.https://git.example.com:8443/.extraHeader"] == header
    assert config["http.followRedirects"] == "false"
    assert {key: value for key, value in config.items() if key.startswith("protocol.")} == {
        "protocol.allow": "never",
        "protocol.https.allow": "always",
    }
    assert variables["GIT_CONFIG_GLOBAL"] == "/dev/null"
    assert "t0ken" not in repr(LOGIN)


def test_a_key_goes_to_ssh_with_its_hosts_and_no_questions() -> None:
    key = SshKey(Path("/run/secrets/a key"), Path("/run/known hosts"))
    for url in ("ssh://git@git.example.com:2222/flows.git", "git@git.example.com:team/flows.git"):
        variables = online(remote(url), key)
        assert variables["GIT_SSH_COMMAND"] == ssh_command(key)
        assert config_of(variables)["protocol.ssh.allow"] == "always"
    assert "-i '/run/secrets/a key'" in ssh_command(key)
    assert """-o 'UserKnownHostsFile="/run/known hosts"'""" in ssh_command(key)
    assert "StrictHostKeyChecking=yes" in ssh_command(key)


def test_file_is_allowed_for_file_addresses_only() -> None:
    assert config_of(online(remote("file:///srv/flows.git"), None))["protocol.file.allow"] == "always"
    assert "protocol.file.allow" not in config_of(online(remote("https://git.example.com/f"), None))
    assert [key for key in config_of(offline()) if key.startswith("protocol.")] == ["protocol.allow"]


def test_proxy_and_certificates_come_from_the_options() -> None:
    network = Network("http://me:pr0xy@proxy:3128", ".local,10.0.0.1", Path("/etc/ca.pem"))
    variables = online(remote("https://git.example.com/flows.git", network=network), None)
    assert variables["https_proxy"] == variables["http_proxy"] == "http://me:pr0xy@proxy:3128"
    assert variables["no_proxy"] == ".local,10.0.0.1"
    assert variables["GIT_SSL_CAINFO"] == "/etc/ca.pem"
    assert "pr0xy" not in repr(network)
    assert mask("via http://me:pr0xy@proxy: t0ken!", secrets(LOGIN, network)) == "via http://***@proxy: ***!"


def test_nothing_ambient_is_inherited() -> None:
    ambient = ["GIT_DIR", "GIT_TRACE2_ENV_VARS", "AICORE_CLIENT_SECRET", "PATH", "HTTPS_PROXY", "LC_ALL"]
    assert unwanted(ambient, offline()) == [
        "AICORE_CLIENT_SECRET",
        "GIT_DIR",
        "GIT_TRACE2_ENV_VARS",
        "HTTPS_PROXY",
    ]


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("https://git.example.com/f", SshKey(Path("k"), Path("h"))),
        ("git@git.example.com:f", LOGIN),
        ("file:///f", LOGIN),
    ],
)
def test_a_login_that_does_not_fit_the_address_is_told(url: str, login: Credentials | SshKey) -> None:
    with pytest.raises(Stalled, match="change the credentials or the url"):
        online(remote(url), login)


@pytest.mark.parametrize(
    "url",
    [
        *[
            "https://me:t0ken@host/f",
            "https://t0ken@host/f",
            "/srv/f",
            "ext::sh -c id",
            "-oProxyCommand=id",
            "git://h/f",
        ],
        "",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(Stalled) as caught:
        remote(url)
    assert caught.value.reason == "BadAddress"
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize("branch", ["", "-x", "a..b", "a b", "x.lock", "x/", "/x", "a//b", "x:y", "@{u}"])
def test_branches_that_are_refused(branch: str) -> None:
    with pytest.raises(Stalled, match="expected a branch name"):
        remote("file:///f", branch=branch)
    assert remote("file:///f", branch="aicore-sync/team_1.x").ref == "refs/heads/aicore-sync/team_1.x"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "AuthenticationFailed"),
        ("remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://h/f/'", "AuthenticationFailed"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote", "AuthenticationFailed"),
        ("fatal: unable to access 'https://h/f/': The requested URL returned error: 403", "PermissionDenied"),
        ("remote: You are not allowed to push code to this project.\nfatal: … returned error: 403", "PermissionDenied"),
        ("ERROR: Permission to a/b.git denied to deploy key.\nThe key you are authenticating with has been marked as "
         "read only; deploy key is read-only", "PermissionDenied"),
        ("fatal: repository 'https://h/f/' not found", "RepositoryNotFound"),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", "RepositoryNotFound"),
        ("fatal: unable to access 'h': server certificate verification failed. CAfile: none", "CertificateInvalid"),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", "HostKeyUnknown"),
        ("fatal: unable to access 'https://h/': Received HTTP code 407 from proxy after CONNECT", "ProxyRefused"),
        ("fatal: unable to access 'https://h/f/': The requested URL returned error: 302", "Redirected"),
    ],
)  # fmt: skip
def test_what_a_person_must_mend(text: str, reason: str) -> None:
    error = explain("push", "https://h/f", text)
    assert isinstance(error, Stalled)
    assert error.reason == reason
    assert "; " in error.message, "the cure follows git's words"


def test_a_refused_login_is_told_without_the_ways_in_which_git_would_ask_for_another() -> None:
    text = (
        "error: unable to read askpass response from '/bin/false'\n"
        "fatal: could not read Username for 'https://h': terminal prompts disabled\n"
    )
    error = explain("fetch", "https://h/f", text)
    assert str(error).startswith("git cannot fetch https://h/f: the login was refused; replace the token")


@pytest.mark.parametrize(
    "text",
    [
        "fatal: unable to access 'https://h/': Could not resolve host: h",
        "fatal: unable to access 'https://h/': Failed to connect to h port 443: Connection refused",
        "fatal: unable to access 'https://h/f/': The requested URL returned error: 503",
        "error: RPC failed; curl 56 Recv failure: Connection reset by peer\nfatal: early EOF",
        "fatal: the remote end hung up unexpectedly",
        "fatal: unable to access 'https://h/f/': The requested URL returned error: 429",
        "ssh: connect to host h port 22: Connection timed out\nfatal: Could not read from remote repository.",
        "fatal: unable to access 'https://h/': gnutls_handshake() failed: The TLS connection was terminated",
    ],
)
def test_what_passes_by_itself(text: str) -> None:
    assert isinstance(explain("fetch", "https://h/f", text), Transient)


def test_what_says_nothing_about_the_remote() -> None:
    assert isinstance(explain("fetch", "u", "fatal: bad object HEAD"), Broken)
    assert isinstance(explain("fetch", "u", "fatal: couldn't find remote ref refs/heads/x"), NoSuchRef)
    assert isinstance(explain("fetch", "u", "fatal: remote error: upload-pack: not our ref abc"), NoSuchRef)


@pytest.mark.parametrize(
    ("why", "text", "reason", "cure"),
    [
        ("protected branch hook declined", "remote: error: GH006: Protected branch update failed for refs/heads/main.",
         "BranchProtected", "publish.mode: pullRequest"),
        ("push declined due to repository rule violations", "remote: error: GH013: Repository rule violations found\n"
         "remote: - Changes must be made through a pull request.", "BranchProtected", "publish.mode: pullRequest"),
        ("push declined due to repository rule violations", "remote: error: GH013: Repository rule violations found\n"
         "remote: - Commits must have verified signatures.", "SignatureRequired", "`signing`"),
        ("pre-receive hook declined", "remote: GitLab: You are not allowed to push code to protected branches on this "
         "project.", "BranchProtected", "publish.mode: pullRequest"),
        ("TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.", "",
         "BranchProtected", "publish.mode: pullRequest"),
        ("pre-receive hook declined", "remote: Branch refs/heads/main can only be modified through pull requests.",
         "BranchProtected", "publish.mode: pullRequest"),
        ("pre-receive hook declined", "remote: Permission denied to update branch main.", "BranchProtected", "Request"),
        ("archived", "remote: This repository was archived so it is read-only.", "PushRejected", "right to push"),
    ],
)  # fmt: skip
def test_refusals_of_forges_name_their_cure(why: str, text: str, reason: str, cure: str) -> None:
    refusal = declined("main", why, text)
    assert (refusal.reason, refusal.by_content) == (reason, False)
    assert cure in refusal.message


def test_a_secret_in_a_file_is_a_matter_of_that_file() -> None:
    text = "remote: error: GH013: Repository rule violations found\nremote: - Push cannot contain secrets"
    assert declined("main", "push declined due to repository rule violations", text).by_content


def test_a_protected_branch_is_not_a_bad_file() -> None:
    protected = declined(
        "main", "protected branch hook declined", "remote: error: GH006: Protected branch update failed"
    )
    hook = declined(
        "main", "pre-receive hook declined", "remote: line 3: kind Secret is forbidden\nTo https://h/f"
    )
    assert isinstance(protected, Declined)
    assert (protected.by_content, hook.by_content) == (False, True)
    assert "line 3: kind Secret is forbidden" in hook.message
    assert "To https" not in hook.message


def test_subjects_fit_their_line() -> None:
    assert subject(["churn-train", "evaluate"]) == "flows: churn-train, evaluate"
    many = [f"a-rather-long-flow-{number}" for number in range(20)]
    assert subject(many) == "flows: a-rather-long-flow-0, a-rather-long-flow-1 and 18 more"
    assert subject(["x" * 80]) == "flows: 1 changed"


def test_a_message_cannot_be_forged_by_a_title_or_trailer() -> None:
    text = compose(
        ["a\n\nAicore-Sync-Owner: evil"], [("p", True)], [("Aicore-Sync-Flow", "x\nSigned-off-by: evil")] * 2
    )
    assert text == (
        "flows: a Aicore-Sync-Owner: evil\n\n- write p\n\nAicore-Sync-Flow: x Signed-off-by: evil\n"
    )


def test_formats_of_git() -> None:
    assert blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert len(blob_id(b"", length=64)) == 64
    tree = parse_tree(b"100644 blob aa\tm/x.yaml\x00120000 blob bb\tm/link\x00040000 tree cc\tm/sub\x00")
    assert [path for path, entry in tree.items() if entry.regular] == ["m/x.yaml"]
    assert dict(parse_objects(b"aa blob 3\na\nb\nbb missing\ncc blob 0\n\n")) == {"aa": b"a\nb", "cc": b""}
    stream = import_stream(
        Draft(None, {"a": b"1", "b": None}, "m\n", Author("N\n<x>", "e@x"), 5), "refs/aicore/next"
    )
    assert b"author N x <e@x> 5 +0000\n" in stream
    assert b"M 100644 inline a\ndata 1\n1\nD b\n" in stream
    assert folder("./a//b/") == "a/b"
    assert folder(".") == ""
