"""What dispatch does when others speak, and when a term is over: a module an aggregate."""

from dispatch_svc.application import Context
from dispatch_svc.worker import case, incident
from shared_chassis.consumer import Reactions
from shared_chassis.timer import TimerReactions

REACTIONS: Reactions[Context] = {**case.REACTIONS}
"""What is heard of other services: event type → reaction."""

SIGNALS: Reactions[Context] = incident.SIGNALS
"""What is heard of the topic of signals: event type → reaction."""

TIMERS: TimerReactions[Context] = {**case.TIMERS, **incident.TIMERS}
"""What happens when a timer is due: its kind → reaction."""

__all__ = ["REACTIONS", "SIGNALS", "TIMERS"]
