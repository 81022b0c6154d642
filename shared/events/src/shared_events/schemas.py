"""The contract as JSON Schemas, one file an event type: written by `make schemas`, compared by `make check`."""

import argparse
import json
import sys
from pathlib import Path

from shared_events.catalogue import CATALOGUE, schema_name
from shared_events.event import Event

FOLDER = Path(__file__).parents[2] / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text(event: type[Event]) -> str:
    """Spell the JSON Schema of an event's `data`."""
    schema = event.model_json_schema(mode="serialization")
    return json.dumps({"$schema": DIALECT, "$id": schema_name(event.TYPE), **schema}, ensure_ascii=False, indent=2) + "\n"


def expected() -> dict[str, str]:
    """Give the text of every schema file by its name."""
    return {f"{type_}.json": schema_text(event) for type_, event in CATALOGUE.items()}


def differences(folder: Path = FOLDER) -> list[str]:
    """Name the schema files that are missing, superfluous, or differ from the code."""
    files = expected()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))


def write(folder: Path = FOLDER) -> None:
    """Write all schema files anew and remove those of no event."""
    folder.mkdir(exist_ok=True)
    files = expected()
    for path in folder.glob("*.json"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Write the schemas, or with --check say which differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs from the code")
    if not parser.parse_args().check:
        write()
        return
    changed = differences()
    if changed:
        sys.exit(
            f"The JSON Schemas differ from the events: {', '.join(changed)}. A released version is never edited; "
            "for a new event or version run `make schemas` and commit the files."
        )


if __name__ == "__main__":
    main()
