"""Two tenants that are one AI Core instance: nothing in the configuration shows it, the keys do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aicore_sync.app.keys import Keys
from aicore_sync.config import Tenant, parse_settings
from aicore_sync.core.errors import Stalled

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
ONE = {
    "clientid": "sb-one",
    "clientsecret": "s",
    "url": "https://one.authentication.test",
    "identityzoneid": "zone-1",
    "serviceurls": {"AI_API_URL": "https://api.test"},
}


def tenants(room: Path, other: dict[str, Any]) -> tuple[Tenant, Tenant]:
    (room / "one.json").write_text(json.dumps(ONE))
    (room / "two.json").write_text(json.dumps(other))
    settings = parse_settings(EXAMPLE.read_text(), room / "config.yaml", {})
    found = []
    for name in ("one", "two"):
        reference = {"file": f"{name}.json"}
        tenant = settings.tenants[0].model_dump(by_alias=True) | {"name": name, "serviceKey": reference}
        made = Tenant.model_validate(tenant, context={"base": room})
        assert made.service_key
        made.service_key.bind("serviceKey", room / "config.yaml", {})
        found.append(made)
    return found[0], found[1]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"clientsecret": "another"}, True),
        ({"identityzoneid": ""}, True),
        ({"identityzoneid": "zone-2"}, False),
        ({"clientid": "sb-two"}, False),
        ({"serviceurls": {"AI_API_URL": "https://api.elsewhere.test"}}, False),
    ],
)
def test_one_instance_as_two_tenants_stalls_both(tmp_path: Path, change: dict[str, Any], same: bool) -> None:
    one, two = tenants(tmp_path, ONE | change)
    keys = Keys()
    assert keys.read(one).client_id == "sb-one"
    for tenant in (two, one):
        if same:
            with pytest.raises(Stalled, match="tenants one and two have") as caught:
                keys.read(tenant)
            assert caught.value.reason == "SameTenant"
        else:
            keys.read(tenant)
    (tmp_path / "two.json").write_text(json.dumps(ONE | {"clientid": "sb-new"}))
    keys.read(two)
    keys.read(one)
