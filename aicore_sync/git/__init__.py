"""The room that owns git: one private clone per branch, one committer per clone, the state branch, the lock.

    Remote ──► Follower                a source: files of the newest commit, in a directory
       ├─────► Clone ──► Committer        the published branch: files flat in the applications' paths
       ├─────► Proposals ──►┘              the branch of a request, where changes are reviewed first
       └─────► StateBranch ──► OwnerLock  the branch aicore-sync/<owner>: decisions, and who may write

No other module runs git. Every change is a compare-and-swap push of a commit built on the head, with
fast-import and without a work tree; after a lost race the commit is built again from what is wanted.
"""

from __future__ import annotations

from aicore_sync.git.authorship import Authorship, authorship
from aicore_sync.git.checkout import Checkout, Followed, Follower
from aicore_sync.git.clone import Clone
from aicore_sync.git.committer import Committer, Publisher
from aicore_sync.git.failures import Declined
from aicore_sync.git.judging import Batch, Change, Published, Refusal
from aicore_sync.git.lock import Acquired, LockTimes, NoSeat, OwnerLock, Seat
from aicore_sync.git.message import paths_of
from aicore_sync.git.objects import Blob, blob_id
from aicore_sync.git.options import Author, Credentials, Login, Network, Remote, Signing, SshKey, Trust
from aicore_sync.git.proposals import Ours, Proposals, Proposed, Standing, request_branch
from aicore_sync.git.race import Race
from aicore_sync.git.revisions import Revision
from aicore_sync.git.state import StateBranch, StateSnapshot, state_branch

__all__ = [
    "Acquired",
    "Author",
    "Authorship",
    "Batch",
    "Blob",
    "Change",
    "Checkout",
    "Clone",
    "Committer",
    "Credentials",
    "Declined",
    "Followed",
    "Follower",
    "LockTimes",
    "Login",
    "Network",
    "NoSeat",
    "Ours",
    "OwnerLock",
    "Proposals",
    "Proposed",
    "Published",
    "Publisher",
    "Race",
    "Refusal",
    "Remote",
    "Revision",
    "Seat",
    "Signing",
    "SshKey",
    "Standing",
    "StateBranch",
    "StateSnapshot",
    "Trust",
    "authorship",
    "blob_id",
    "paths_of",
    "request_branch",
    "state_branch",
]
