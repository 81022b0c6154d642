"""Every test may ask for the real parts by the name of a fixture, and no law is broken by a machine that is slow."""

from hypothesis import HealthCheck, settings

settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

pytest_plugins = ["local_stack.fixtures"]
