"""What can be done here, a module an aggregate: with the queue, with messages, and with executors' programs."""

from notification_svc.application.context import MAY, SERVICE, Context

__all__ = ["MAY", "SERVICE", "Context"]
