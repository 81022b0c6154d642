"""What analytics-svc refuses, in words."""


class AnalyticsError(Exception):
    """The base of every refusal of analytics-svc."""


class NamelessReportError(AnalyticsError):
    """A saved report needs a name of 1 to 200 characters."""


class UnknownReportError(AnalyticsError):
    """There is no such report."""


class UnknownParameterError(AnalyticsError):
    """This report does not take such a parameter."""


class AlreadySavedError(AnalyticsError):
    """Another report is saved here; save this one as a new one."""
