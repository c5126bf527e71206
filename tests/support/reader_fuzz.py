"""How often a test feeds a reader with invented data: some in a hurry, 10,000 with `--hypothesis-profile=thorough`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

THOROUGH = "thorough"
THOROUGH_EXAMPLES = 10_000

settings.register_profile(THOROUGH, max_examples=THOROUGH_EXAMPLES)


def reader_fuzz(examples: int) -> settings:
    """The settings of a test over hostile data.

    Args:
        examples: How many are tried unless the profile is `thorough`.
    """
    return settings(
        max_examples=THOROUGH_EXAMPLES if settings.get_current_profile_name() == THOROUGH else examples,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
