"""What dispatch does when others speak, and when a term is over: a module an aggregate."""

from dispatch_svc.application import Context
from dispatch_svc.worker import case
from shared_chassis.consumer import Reactions
from shared_chassis.timer import TimerReactions

REACTIONS: Reactions[Context] = {**case.REACTIONS}
"""What is heard of other services: event type → reaction."""

TIMERS: TimerReactions[Context] = {**case.TIMERS}
"""What happens when a timer is due: its kind → reaction."""

__all__ = ["REACTIONS", "TIMERS"]
