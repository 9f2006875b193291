"""What to say while people look at what we propose."""

from __future__ import annotations

from aicore_sync.core.actions import Plan, Remember, Withdraw
from aicore_sync.core.desired import Review, SeenTemplate, WantTemplate
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.refusals import Declined, declined_path

LOOK_AGAIN = 10.0  # seconds; a merge wakes nobody by itself


def counted(review: Review | None, declined: Declined | None, wanted: str) -> Review | None:
    """What is proposed, with a no that outlives the branch of requests and ends when somebody has people asked again.

    `wanted` is the digest of the wanted template, "" when it shall go.
    """
    if declined is None:
        return review
    if review is None:
        closed = Review("", declined.digest, declined.url, open=False)
        return closed if declined.digest == wanted and not declined.again else None
    the_same = (review.digest, review.url) == (declined.digest, declined.url)
    return None if the_same and declined.again and not review.open else review


def in_review(want: WantTemplate, review: Review) -> Plan:
    """Waits for the merge; after a request that was closed, for other content or for a person."""
    if review.open:
        message = f"proposed in {review.url}, waits for its merge"
        return Plan(holds=(Hold(Stage.PUBLISH, "AwaitingMerge", message, after=LOOK_AGAIN),))
    message = (
        f"{review.url} was closed without a merge, so this content is not proposed again; change the flow, reopen the "
        f"request, or have it proposed anew with: aicore-sync sync {want.key.executable}"
    )
    return Plan(holds=(Hold(Stage.PUBLISH, "RequestClosed", message, after=LOOK_AGAIN, mark=Mark.FAIL),))


def noted(want: WantTemplate, seen: SeenTemplate) -> Plan:
    """A no is kept: the branch of requests moves on with the next change of any flow."""
    review = seen.review
    if review is None or review.open:
        return Plan()
    declined = Declined(review.digest, review.url)
    if declined == seen.declined:
        return Plan()
    words = f"people declined {want.key.executable}"
    return Plan((Remember(declined_path(want.key), declined.encoded(), words),))


def withdrawal(want: WantTemplate, seen: SeenTemplate) -> Plan:
    """What an open request proposes for a template, and nobody should merge any more, is taken out of it."""
    review, file = seen.review or seen.conflict, seen.published
    if review is None or not review.open or seen.pending or seen.push_error:
        return Plan()
    data = file.data if file and file.file == review.file else None
    return Plan((Withdraw(want.key.tenant, want.key.executable, review.file, data),))
