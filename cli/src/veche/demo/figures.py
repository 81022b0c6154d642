"""The demo report as one JSON object, in the words of the design's play page."""

from pydantic import BaseModel, ConfigDict


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True)


class Requests(_Figures):
    """Rows of the file, and what became of them: rows = accepted + refused, accepted = closed + open."""

    rows: int
    accepted: int
    refused: int
    closed: int
    open: int


class Discussions(_Figures):
    """How many were held, and how many protocols were drawn up."""

    count: int
    protocols: int


class Submissions(_Figures):
    """Rows of the file: rows = accepted + refused."""

    rows: int
    accepted: int
    refused: int


class Events(_Figures):
    """Events in the stores, distinct events in the topics, and distinct events each consumer has passed."""

    stored: int
    published: int
    consumed: dict[str, int]


class Check(_Figures):
    """One thing that must hold, and whether it does; `said` gives the figures."""

    name: str
    holds: bool
    said: str


class Report(_Figures):
    """What the demo did; times in seconds.

    From `breaches` to `bounced` facts are counted by SQL: breaches of terms, warnings of them, silent acceptances, rounds that
    began anew, refusals by executors (those before a committee's decision included), and decisions of the committee.
    `holder_minutes_sum_ok`: for every case the minutes of its holders sum to its total.
    """

    requests: Requests
    discussions: Discussions
    submissions: Submissions
    events: Events
    events_by_type: dict[str, int]
    breaches: int
    warned: int
    silent_acceptances: int
    reopened: int
    declined: int
    bounced: int
    holder_minutes_sum_ok: bool
    parked: int
    duplicate_effects: int
    lost: int
    losses: dict[str, int]
    retries: int
    duration_s: float
    requests_duration_s: float
    e2e_p50_s: float | None
    e2e_p99_s: float | None
    cpu_s: dict[str, float]
    checks: list[Check]

    @property
    def good(self) -> bool:
        """Whether every check holds."""
        return all(check.holds for check in self.checks)
