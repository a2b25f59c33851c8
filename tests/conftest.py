"""What all tests share."""

from hypothesis import HealthCheck, settings

from engine.compute import use_thread_policy

# The same examples every time and no clock: these machines are shared, and a slow one is not a fault.
settings.register_profile(
    "harmonia", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("harmonia")

# As the server runs: two threads of torch beside another process cost more than they bring.
use_thread_policy()
