"""Read models of dispatch: `case` for cases with their holders and clocks, `rulebook` for what the cities decided beforehand."""

from dispatch_svc.views import case, rulebook
from shared_chassis.view import Projection

PROJECTION: Projection = {**rulebook.PROJECTION, **case.PROJECTION}
"""Own facts → one statement each."""

TABLES: tuple[str, ...] = (*rulebook.TABLES, *case.TABLES)
"""What is rebuilt from own facts alone."""

__all__ = ["PROJECTION", "TABLES", "case", "rulebook"]
