"""A stream processor that runs until it is killed: `tally_until_killed.py BOOTSTRAP [CITY COUNT]`.

Where a city is named, it is killed in the middle of counting its registrations: at the one after so many.
"""

import asyncio
import os
import signal
import sys

from analytics_svc.domain.surge import Sensitivity
from analytics_svc.streams import processor
from analytics_svc.streams.processor import Registration, Streams, Tally

CALM = Sensitivity(window=30, times=4.0, least=20, half_life=1440.0, warm_up=120.0, stale=60)
"""What the tests' processors take for a surge: as in a city, but two hours are enough to know one."""


def die_after(city: str, count: int) -> None:
    """Let this process be killed when it has counted so many registrations of a city and another one comes."""
    counted, left = processor._counted, count

    def counting(before: Tally, found: Registration) -> Tally | None:
        nonlocal left
        if found.window.city == city:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
        return counted(before, found)

    processor._counted = counting


if __name__ == "__main__":
    if len(sys.argv) > 2:
        die_after(sys.argv[2], int(sys.argv[3]))
    asyncio.run(Streams(sys.argv[1], CALM).run(asyncio.Event()))
