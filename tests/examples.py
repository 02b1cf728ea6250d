"""How many examples a fuzzing test tries: some in the suite, many in ``make soak``.

This is the one place for Hypothesis's profiles.
"""

from typing import TypeVar, cast

import hypothesis
import pytest

Test = TypeVar("Test")

# How long an example takes is the machine's affair: speed is measured elsewhere.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.register_profile(
    "soak", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)

_SOAK_SECONDS = 3600


class _Run:
    soaking = False


def load_profile(markers: str) -> None:
    """Settle how much is tried in a run of pytest, by its ``-m``."""
    _Run.soaking = markers.strip() == "soak"
    hypothesis.settings.load_profile("soak" if _Run.soaking else "suite")


def is_soak() -> bool:
    """Whether this is the long run."""
    return _Run.soaking


def how_many(*, suite: int, soak: int) -> hypothesis.settings:
    """Settings with a number of examples for the run at hand."""
    return hypothesis.settings(max_examples=soak if _Run.soaking else suite)


def also_soaks(test: Test) -> Test:
    """Mark a test that is part of both runs and tries more in the long one."""
    if not _Run.soaking:
        return test
    return cast("Test", pytest.mark.soak(pytest.mark.timeout(_SOAK_SECONDS)(test)))
