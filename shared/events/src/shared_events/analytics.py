"""Facts of analytics-svc: the reports people keep."""

from shared_events.event import Event


class AnalyticsEvent(Event, service="analytics"):
    """A fact of analytics-svc."""


class ReportSaved(AnalyticsEvent):
    """A report is kept under a name, as the query that draws it."""

    name: str
    report: str
    parameters: dict[str, str]


EVENTS: tuple[type[Event], ...] = (ReportSaved,)
