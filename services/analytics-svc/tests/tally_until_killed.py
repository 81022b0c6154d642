"""A stream processor that runs until somebody kills it: `tally_until_killed.py BOOTSTRAP`."""

import asyncio
import sys

from analytics_svc.domain.surge import Sensitivity
from analytics_svc.streams.processor import Streams

CALM = Sensitivity(window=30, times=4.0, least=20, half_life=1440.0, warm_up=120.0, stale=60)
"""What the tests' processors take for a surge: as in a city, but two hours are enough to know one."""

if __name__ == "__main__":
    asyncio.run(Streams(sys.argv[1], CALM).run(asyncio.Event()))
