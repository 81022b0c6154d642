"""What ends a command for a reason a person can act on: one sentence, and status 1."""


class CommandError(Exception):
    """The command cannot go on."""
