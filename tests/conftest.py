"""Makes the modules beside this file (`githosts`, `sandboxes`) importable from every room's tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A busy machine is no failure: timing never decides a test.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("calm", calm, max_examples=50)
settings.register_profile("patient", calm, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "calm"))
