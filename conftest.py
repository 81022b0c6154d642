"""Every test may ask for the real parts by the name of a fixture."""

pytest_plugins = ["local_stack.fixtures"]
