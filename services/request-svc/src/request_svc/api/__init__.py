"""request over HTTP, a module an occasion: residents and agents submit, answer, confirm, dispute; anybody reads the register."""

from collections.abc import Sequence

from request_svc.api import attachment, dialogue, lifecycle, person, reference, register
from request_svc.api.refusal import ERRORS
from shared_chassis.http import Router

ROUTERS: Sequence[Router] = (
    lifecycle.router,
    dialogue.router,
    attachment.router,
    person.router,
    register.router,
    reference.router,
)
"""In this order: `/requests/similar` is found before `/requests/{request}`."""

__all__ = ["ERRORS", "ROUTERS"]
