"""What reports are asked for: every parameter is checked, and one nobody knows is refused, not ignored."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from analytics_svc.reports import deadline, holder, rating, request
from analytics_svc.reports.report import Window
from shared_events.dispatch import HolderKind, Stage
from shared_events.request import Channel, Outcome

City = Annotated[str | None, Field(min_length=1, max_length=200, description="Of this city alone.", examples=["kazan"])]
District = Annotated[str | None, Field(min_length=1, max_length=200, description="Of this district.", examples=["cd-1"])]
ServiceType = Annotated[
    str | None, Field(min_length=1, max_length=200, description="Of this service type.", examples=["no-heating"])
]
OrganisationId = Annotated[
    str | None,
    Field(
        pattern=r"^organisation-[a-z0-9-]+$",
        max_length=200,
        description="Of this organisation.",
        examples=["organisation-kazan-management-vakhitovsky"],
    ),
]


class Asked(BaseModel):
    """What a report is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class AskedOf(Asked):
    """A report of what was known at a moment."""

    as_of: AwareDatetime | None = Field(
        None, alias="asOf", description="As it was known at this moment; absent: now.", examples=["2026-03-01T12:00:00Z"]
    )


class AskedBy(AskedOf):
    """A report by dimensions, in pages."""

    city: City = None
    dimensions: str | None = Field(
        None, max_length=200, description="What to tell apart by, divided by commas.", examples=["city,day"]
    )
    format: Literal["json", "csv"] | None = Field(None, description="Absent: what `Accept` says. CSV comes whole.")
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before; absent: from the start.")
    limit: int = Field(1000, ge=1, le=10_000, description="How many rows a page of JSON may have.")

    def by(self, usual: tuple[str, ...]) -> list[str]:
        """Give the dimensions asked for, or the usual ones."""
        return list(usual) if self.dimensions is None else [each.strip() for each in self.dimensions.split(",") if each.strip()]


class AskedByDay(AskedBy):
    """A report by dimensions, of some days."""

    since: date | None = Field(None, alias="from", description="The first day, in the city's time.", examples=["2026-03-01"])
    until: date | None = Field(None, alias="to", description="The first day no longer meant.", examples=["2026-04-01"])

    @property
    def window(self) -> Window:
        """Which facts are meant."""
        return Window(self.as_of, self.city, self.since, self.until)


class RequestsWanted(AskedByDay):
    """How many requests there were, and how they ended."""

    district: District = None
    type: ServiceType = None
    channel: Channel | None = None
    outcome: Outcome | Literal["open"] | None = None
    ending: Literal["open", "confirmed", "silent", "unasked"] | None = Field(
        None, description="Whose word it was that the work is done: the resident's, nobody's in time, or nobody was asked."
    )

    @property
    def of(self) -> request.Of:
        """Which requests are meant."""
        return request.Of(self.district, self.type, self.channel, self.outcome, self.ending)


class HoldersWanted(AskedBy):
    """Who held requests how long."""

    district: District = None
    type: ServiceType = None
    kind: HolderKind | None = None
    organisation: OrganisationId = None

    @property
    def window(self) -> Window:
        """Which facts are meant."""
        return Window(self.as_of, self.city)

    @property
    def of(self) -> holder.Of:
        """Whose time is meant."""
        return holder.Of(self.district, self.type, self.kind, self.organisation)


class DeadlinesWanted(AskedByDay):
    """Which terms were kept."""

    district: District = None
    type: ServiceType = None
    stage: Stage | None = None
    organisation: OrganisationId = None

    @property
    def of(self) -> deadline.Of:
        """Which clocks are meant."""
        return deadline.Of(self.district, self.type, self.stage, self.organisation)


class RatingsWanted(AskedByDay):
    """How work was rated."""

    district: District = None
    type: ServiceType = None
    organisation: OrganisationId = None

    @property
    def of(self) -> rating.Of:
        """Which ratings are meant."""
        return rating.Of(self.district, self.type, self.organisation)


class SubmissionsWanted(AskedByDay):
    """How many questions, proposals and remarks there were."""

    discussion: UUID | None = None


class TalliesWanted(Asked):
    """The tallies beside the facts."""

    city: City = None
    limit: int = Field(1000, ge=0, le=100_000, description="How many windows to show at most, the newest first.")


WANTED: Final[Mapping[str, type[Asked]]] = {
    "requests": RequestsWanted,
    "holders": HoldersWanted,
    "deadlines": DeadlinesWanted,
    "ratings": RatingsWanted,
    "submissions": SubmissionsWanted,
    "totals": AskedOf,
    "reconciliation": AskedOf,
    "tallies": TalliesWanted,
}
"""The parameters of each report, as they are asked for."""
