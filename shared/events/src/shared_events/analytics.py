"""Facts of analytics-svc: the reports people keep."""

from datetime import datetime

from shared_events.event import Event


class AnalyticsEvent(Event, service="analytics"):
    """A fact of analytics-svc."""


class ReportSaved(AnalyticsEvent):
    """A report is kept under a name, as the query that draws it."""

    name: str
    report: str
    parameters: dict[str, str]


class SurgeDetected(AnalyticsEvent):
    """A signal, not a fact: in one window far more requests of one type came from one district than its average.

    Stands on `analytics.signals` alone, under the window's own id; nothing is decided by it, a person is asked to look.
    """

    city: str
    service_type: str
    district: str | None
    window_start: datetime
    window_end: datetime
    count: int
    average: float


EVENTS: tuple[type[Event], ...] = (ReportSaved, SurgeDetected)
