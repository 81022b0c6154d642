"""What can be done in analytics, one function a use case, and who may do it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from analytics_svc.domain.report import REPORT, save
from analytics_svc.facts.file import FactFile
from shared_chassis.http import ANYBODY, Rules
from shared_chassis.postgres import Database
from shared_chassis.store import Command, Result, Store
from shared_events.ids import derive, report_stream

SERVICE: Final = "analytics-svc"

READERS: Final = frozenset({"analyst", "auditor", "dispatcher"})

MAY: Final[Rules] = {
    "see_reports": READERS,
    "see_totals": frozenset({ANYBODY}),
    "save_report": frozenset({"analyst"}),
    "see_saved_reports": READERS,
    "read_feed": READERS,
}
"""Who may: use case → roles. Totals are counts of everything and nobody's secret."""


@dataclass(frozen=True)
class Context:
    """What every use case works with: the store of saved reports, and the facts the reports are drawn from."""

    store: Store
    database: Database
    facts: FactFile


def save_report(context: Context, name: str, report: str, parameters: Mapping[str, str], command: Command) -> tuple[UUID, Result]:
    """Keep a report under a name; the same command keeps it once."""
    saved = derive(command.id)
    result = context.store.handle(
        REPORT, report_stream(saved), lambda known, _now: save(known, name, report, parameters), command
    )
    return saved, result
