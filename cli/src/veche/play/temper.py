"""Who in a file does not take things as they come: decided by the row's number alone, so that a day is the same each time."""

from hashlib import sha256
from typing import Literal

Temper = Literal["content", "disputes", "declines", "bounces"]
"""`disputes`: the resident says once that the work is not done. `declines`: the executor says once that it is not theirs.
`bounces`: they say so until the committee decides."""

PARTS = 100
DISPUTING, DECLINING, BOUNCING = range(2), range(2, 5), range(5, 6)


def temper(number: str) -> Temper:
    """Tell a row's temper: by SHA-256 of its number, modulo a hundred."""
    part = int.from_bytes(sha256(number.encode()).digest()) % PARTS
    if part in DISPUTING:
        return "disputes"
    if part in DECLINING:
        return "declines"
    return "bounces" if part in BOUNCING else "content"
