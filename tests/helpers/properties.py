"""Settings of property tests."""

from hypothesis import HealthCheck, settings

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
