"""A small made-up day in the shape of the real files, for machines without them: the same seed gives the same day."""

import csv
import random
from datetime import datetime, timedelta
from pathlib import Path

REQUEST_COLUMNS = (
    "SRNumber", "CreatedDate", "Owner", "RequestType", "Status", "RequestSource", "Anonymous", "ServiceDate", "ClosedDate",
    "Address", "Latitude", "Longitude", "CD",
)  # fmt: skip
TYPES = (
    ("Bulky Items", "BOS", 44), ("Graffiti Removal", "OCB", 28), ("Illegal Dumping Pickup", "BOS", 8),
    ("Metal/Household Appliances", "BOS", 7), ("Dead Animal Removal", "BOS", 4), ("Other", "ITA", 4),
    ("Single Streetlight Issue", "BSL", 3), ("Report Water Waste", "LADWP", 2),
)  # fmt: skip
SOURCES = (("Call", 42), ("Mobile App", 21), ("Driver Self Report", 20), ("Self Service", 16))
STATUSES = (("Closed", 960), ("Cancelled", 30), ("Referred Out", 5), ("Open", 5))
DATE = "%m/%d/%Y %I:%M:%S %p"
SENTENCES = (
    "Necesitamos más árboles en esta calle.", "¿Cuándo empezarían las obras?", "Me parece una buena idea.",
    "Habría que pensar también en los vecinos mayores.", "¿Y quién lo va a pagar?", "No estoy de acuerdo con esta propuesta.",
)  # fmt: skip


def write_requests(file: Path, rows: int, seed: int = 7) -> None:
    """Write so many service requests, the newest first."""
    chance = random.Random(seed)  # noqa: S311 - a made-up day, no secret
    start = datetime(2017, 12, 27, 8, 0)  # noqa: DTZ001 - local time of the file, its pack knows the zone
    records = []
    for index in range(rows):
        kind, owner, _ = chance.choices(TYPES, [weight for *_, weight in TYPES])[0]
        created = start + timedelta(seconds=index * 40 + chance.randrange(30))
        status = chance.choices([name for name, _ in STATUSES], [weight for _, weight in STATUSES])[0]
        ended = created + timedelta(hours=chance.randrange(1, 60)) if status == "Closed" else None
        source = chance.choices([name for name, _ in SOURCES], [weight for _, weight in SOURCES])[0]
        ended_text = ended.strftime(DATE) if ended else ""
        anonymous = "Y" if chance.random() < 0.08 else "N"
        address = f"{chance.randrange(100, 9999)} W {chance.choice('ABCDEFG')} ST"
        place = (f"{34 + chance.random():.6f}", f"{-118 - chance.random():.6f}", str(chance.randrange(1, 16)))
        what = (f"G-{seed}-{index:06d}", created.strftime(DATE), owner, kind, status, source)
        records.append((*what, anonymous, ended_text, ended_text, address, *place))
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(REQUEST_COLUMNS)
        writer.writerows(reversed(records))


def write_discussions(proposals: Path, comments: Path, count: int, said: int, seed: int = 7) -> None:
    """Write so many proposals, and so many comments spread under them: some ask, some answer, a few are empty."""
    chance = random.Random(seed)  # noqa: S311 - a made-up day, no secret
    with proposals.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(("id", "title", "date", "summary", "text"))
        for index in range(1, count + 1):
            writer.writerow((f"{seed}{index:03d}", f"Propuesta {index}", "2015-09-15", "Una propuesta para el barrio.", ""))
    with comments.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(("id", "parentId", "proposalId", "userId", "date", "time", "text"))
        under: dict[int, list[str]] = {}
        for index in range(said):
            proposal = chance.randrange(1, count + 1)
            earlier = under.setdefault(proposal, [])
            parent = chance.choice(earlier) if earlier and chance.random() < 0.5 else "-1"
            text = "" if chance.random() < 0.01 else chance.choice(SENTENCES)
            number = f"{seed}{index:06d}"
            time = f"0 days {9 + index // 3600 % 12:02d}:{index // 60 % 60:02d}:{index % 60:02d}"
            writer.writerow((number, parent, f"{seed}{proposal:03d}", str(chance.randrange(1, 400)), "2015-09-15", time, text))
            earlier.append(number)
