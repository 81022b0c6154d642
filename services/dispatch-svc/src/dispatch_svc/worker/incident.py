"""What happens when requests surge, and when an incident was declared or is over."""

from dispatch_svc.application import SERVICE, Context
from dispatch_svc.application import incident as application
from dispatch_svc.domain.incident import LINKING, RESOLUTION
from dispatch_svc.worker.hearing import fact
from shared_chassis.consumer import Reactions
from shared_chassis.store import Command
from shared_chassis.timer import DueTimer, TimerReactions
from shared_events.analytics import SurgeDetected
from shared_events.envelope import Received


def when_requests_surge_ask_whether_it_is_an_incident(context: Context, received: Received) -> None:
    """Suggest an incident, once a window, unless one is known that explains the surge."""
    application.suggest(context, fact(received, SurgeDetected), Command.because_of(received, "suggest-incident", SERVICE))


def when_an_incident_is_declared_link_what_came_before(context: Context, timer: DueTimer) -> None:
    """Link open requests in its scope, a batch at a time."""
    application.link_batch(context, timer)


def when_an_incident_is_over_report_the_work_done(context: Context, timer: DueTimer) -> None:
    """Report the work of every linked request done, a batch at a time; each request then closes by its own rules."""
    application.resolve_batch(context, timer)


SIGNALS: Reactions[Context] = {SurgeDetected: when_requests_surge_ask_whether_it_is_an_incident}
"""What is heard of signals: hints, of a topic of their own."""

TIMERS: TimerReactions[Context] = {
    LINKING: when_an_incident_is_declared_link_what_came_before,
    RESOLUTION: when_an_incident_is_over_report_the_work_done,
}
"""What happens when a timer is due."""
