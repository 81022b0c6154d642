"""What every refusal of this service is."""


class NotificationError(Exception):
    """This cannot be done."""

    def __str__(self) -> str:
        """Say why, in words for the person who asked."""
        return " ".join((self.__doc__ or "").split())
