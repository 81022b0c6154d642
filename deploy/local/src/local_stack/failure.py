"""What goes wrong with a stack, in words for whoever started it."""


class StackError(Exception):
    """Something is wrong with the city on this machine; the message is one sentence that says what, and what to do."""
