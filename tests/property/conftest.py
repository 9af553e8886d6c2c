"""Examples are judged by what they give, never by how long one took beside a busy neighbour."""

from hypothesis import HealthCheck, settings

from tests.amounts import amount

settings.register_profile(
    "here", deadline=None, max_examples=amount(50, 5_000), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("here")
