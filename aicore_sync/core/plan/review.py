"""What to say while people look at what we propose."""

from __future__ import annotations

from aicore_sync.core.actions import Plan, Withdraw
from aicore_sync.core.desired import Review, SeenTemplate, WantTemplate
from aicore_sync.core.model import Hold, Mark, Stage

LOOK_AGAIN = 10.0  # seconds; a merge wakes nobody by itself


def in_review(review: Review) -> Plan:
    """Waits for the merge; after a request that was closed, for other content or for a person."""
    if review.open:
        message = f"proposed in {review.url}, waits for its merge"
        return Plan(holds=(Hold(Stage.PUBLISH, "AwaitingMerge", message, after=LOOK_AGAIN),))
    message = (
        f"{review.url} was closed without a merge, so this content is not proposed again; change the flow, "
        "reopen the request, or delete its branch to have it proposed anew"
    )
    return Plan(holds=(Hold(Stage.PUBLISH, "RequestClosed", message, after=LOOK_AGAIN, mark=Mark.FAIL),))


def withdrawal(want: WantTemplate, seen: SeenTemplate) -> Plan:
    """What an open request proposes for a template, and nobody should merge any more, is taken out of it."""
    review, file = seen.review or seen.conflict, seen.published
    if review is None or not review.open or seen.pending or seen.push_error:
        return Plan()
    data = file.data if file and file.file == review.file else None
    return Plan((Withdraw(want.key.tenant, want.key.executable, review.file, data),))
