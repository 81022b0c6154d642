"""The world outside: files as residents send them, judged by what they hold."""

from request_svc.outbound.attachment import Cleaned, clean

__all__ = ["Cleaned", "clean"]
