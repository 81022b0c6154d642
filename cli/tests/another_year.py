"""The same requests as another year's file has them: other column names, another order, another date style."""

import csv
from datetime import datetime
from pathlib import Path

from veche.play.generated import DATE

NAMES = {
    "SRNumber": "service request number",
    "CreatedDate": "Date_Created",
    "Owner": "OWNER NAME",
    "RequestType": "Request Type Name",
    "Status": "status_name",
    "RequestSource": "Source",
    "Anonymous": "Is Anonymous",
    "ServiceDate": "Date Serviced",
    "ClosedDate": "Date Closed",
    "Address": "Street Address",
    "Latitude": "LAT",
    "Longitude": "lon",
    "CD": "Council District No",
}
DATES = {"CreatedDate", "ServiceDate", "ClosedDate"}
OTHER_DATE = "%m/%d/%y %H:%M:%S"
FLAGS = {"Y": "1", "N": "0"}


def restyle(file: Path, target: Path) -> None:
    """Write a file's rows anew in another style; nothing that they say is changed."""
    with file.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    with target.open("w", encoding="utf-8-sig", newline="") as written:
        writer = csv.DictWriter(written, ["Policy", *reversed(NAMES.values())], delimiter=",", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        for row in reversed(rows):
            writer.writerow({"Policy": "7"} | {name: _restyled(column, row[column]) for column, name in NAMES.items()})


def _restyled(column: str, value: str) -> str:
    if column in DATES and value:
        return datetime.strptime(value, DATE).strftime(OTHER_DATE)  # noqa: DTZ007 - local time on both sides
    return FLAGS[value] if column == "Anonymous" else value
