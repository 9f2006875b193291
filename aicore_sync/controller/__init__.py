"""The loop: desire, observe, plan, apply, report; and what wakes it."""
