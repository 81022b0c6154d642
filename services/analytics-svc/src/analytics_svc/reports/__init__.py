"""The questions asked of the facts: one module a report, its SQL beside the function that runs it."""
