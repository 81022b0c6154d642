"""A stream processor that runs until somebody kills it: `tally_until_killed.py BOOTSTRAP`."""

import asyncio
import sys

from analytics_svc.streams import Streams

if __name__ == "__main__":
    asyncio.run(Streams(sys.argv[1]).run(asyncio.Event()))
