"""A process that folds a topic into a file until somebody kills it: `fold_until_killed.py BOOTSTRAP TOPIC FILE`."""

import asyncio
import sys

from analytics_svc.facts.file import FactFile
from analytics_svc.facts.fold import FOLDS
from analytics_svc.facts.position import DuckPositions
from shared_chassis.consumer import Consumer
from shared_chassis.mapper import EventMapper
from shared_events.catalogue import CATALOGUE

NAME = "analytics-svc"


def consumer(bootstrap: str, topic: str, file: FactFile) -> Consumer[None]:
    """Make the service's consumer, of one topic."""
    mapper = EventMapper(CATALOGUE, "/tests/analytics-svc")
    return Consumer(f"{NAME}-{topic}", [topic], mapper, {}, FOLDS, DuckPositions(file), None, bootstrap=bootstrap)


if __name__ == "__main__":
    asyncio.run(consumer(sys.argv[1], sys.argv[2], FactFile(sys.argv[3])).run(asyncio.Event()))
