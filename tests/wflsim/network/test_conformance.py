"""Every shipped kind keeps its family's promises, and what does not is found out."""

import pytest

from wflsim.catalog import component, kinds
from wflsim.network.testing import check_policy, check_uplink
from wflsim.world.testing import CHECKS

NEEDED = {"first": {"count": 3}, "period": {"period_s": 0.15}, "tiers": {"period_s": 0.1}}


@pytest.mark.parametrize("kind", kinds("policy"))
def test_policies_conform(kind):
    check_policy(component("policy", kind)(**NEEDED.get(kind, {})))


@pytest.mark.parametrize("kind", kinds("uplink"))
def test_uplinks_conform(kind):
    check_uplink(component("uplink", kind)())


@pytest.mark.parametrize(
    ("family", "kind"), [(family, kind) for family in CHECKS for kind in kinds(family)]
)
def test_what_devices_live_on_conforms(family, kind, tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("device,from_s,to_s\n" + "".join(f"{k},{k},{9 * k + 5}\n" for k in range(7)))
    CHECKS[family](component(family, kind)(**({"file": str(path)} if kind == "trace" else {})))


def test_chance_that_is_not_a_devices_own_is_found_out():
    class Spread:
        def factors(self, devices, rng):
            return 1.0 + 0.1 * (rng.random(devices) - rng.random(devices))

    with pytest.raises(AssertionError, match="changes a draw"):
        CHECKS["slowness"](Spread())


def test_a_policy_that_never_settles_anything_is_found_out():
    from wflsim.network.lateness import Kept

    class Never:
        late = Kept()

        def closes(self, tally):
            return True

        def limit_s(self, deadline_s):
            return deadline_s

    with pytest.raises(AssertionError, match="nothing is ever settled"):
        check_policy(Never())
