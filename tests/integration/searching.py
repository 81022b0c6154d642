"""Looks for what should be nowhere: in every table, every topic, the analysts' file and every other file on the disk."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import duckdb
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from city_alive import City

from veche.demo.logs import SERVICES

TABLES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p') AND (n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        OR c.relname IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject'))
"""
"""Every table, and what of the catalogue holds samples of their rows."""


def spellings(secret: str) -> set[bytes]:
    """Spell a text in the ways in which it may lie about: plain, escaped, in hex, in base64 at each of its offsets."""
    plain = secret.encode()
    found = {plain, json.dumps(secret).strip('"').encode(), plain.hex().encode()}
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + plain)
        found.add(coded[4 if offset else 0 : len(coded) - 4])
    return {spelling for spelling in found if len(spelling) > 7}


class Search:
    """Secrets, in all their spellings."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.hidden = sorted({spelling for secret in secrets for spelling in spellings(secret)})

    def leaks(self, raw: bytes) -> list[bytes]:
        """Find what should not be there."""
        return [spelling for spelling in self.hidden if spelling in raw]

    def in_databases(self, city: City) -> list[tuple[str, str, str]]:
        """Name the tables of all databases in which something stands: database, schema, table."""
        databases = [str(name) for (name,) in city.rows("postgres", "SELECT datname FROM pg_database WHERE NOT datistemplate")]
        assert {*SERVICES, "keyring"} <= set(databases)
        return [place for database in databases for place in found_in(city, database, self.hidden)]

    def in_analysts_file(self, city: City, copy: Path) -> list[str]:
        """Name the tables of the analysts' file in which something stands; `copy` is a directory to look at it in."""
        return [name for name, raw in analysts_tables(city, copy).items() if self.leaks(raw)]

    def in_files(self, city: City, scratch: Path) -> set[Path]:
        """Name the files of the city in which something stands: logs, write-ahead logs, topics, objects, letters."""
        patterns = scratch / "patterns"
        patterns.write_bytes(b"\n".join(self.hidden))
        search = ("grep", "-rlaF", "--exclude=*index", f"--file={patterns}", str(city.home.path))
        searched = subprocess.run(search, check=False, capture_output=True, text=True, env={"LC_ALL": "C"})
        unread = [said for said in searched.stderr.splitlines() if not said.endswith("No such file or directory")]
        assert not unread, "only what was removed meanwhile may be passed over"
        return {Path(line) for line in searched.stdout.splitlines()}


def found_in(city: City, database: str, spelt: Sequence[bytes]) -> list[tuple[str, str, str]]:
    """Name the tables of a database in which something stands: database, schema, table."""
    patterns = [f"%{each}%".replace("\\", "\\\\") for raw in spelt for each in (raw.decode(), raw.hex())]
    found = []
    with city.connect(database) as connection:
        tables = connection.execute(TABLES).fetchall()
        for schema, table in tables:
            statement = f'SELECT count(*) FROM "{schema}"."{table}" t WHERE t::text LIKE ANY (%s)'
            row = connection.execute(statement.encode(), (patterns,)).fetchone()
            if row != (0,):
                found.append((database, str(schema), str(table)))
    return found


def analysts_tables(city: City, copy: Path) -> dict[str, bytes]:
    """Read all rows of the analysts' file, by table, as they were at one moment."""
    place, written = copy / "analytics", None
    while written != (written := _written(city.home.analytics)):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for file in written:
            with suppress(FileNotFoundError):
                shutil.copy(file, place)
    with duckdb.connect(str(place / "analytics.duckdb")) as connection:
        tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        assert "event" in tables
        return {name: str(connection.execute(f'SELECT * FROM "{name}"').fetchall()).encode() for name in tables}


def _written(directory: Path) -> dict[Path, int]:
    """Say when each file was written last, in nanoseconds."""
    found = {}
    for file in directory.iterdir():
        with suppress(FileNotFoundError):
            if file.is_file():
                found[file] = file.stat().st_mtime_ns
    return found


async def read_topics(bootstrap: str) -> list[tuple[str, bytes]]:
    """Read all records of all topics, each as its topic and all of its bytes."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topics = await admin.describe_topics()
    finally:
        await admin.close()
    partitions = [TopicPartition(topic["topic"], each["partition"]) for topic in topics for each in topic["partitions"]]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        ends = {at: end for at, end in (await consumer.end_offsets(partitions)).items() if end}
        consumer.assign(list(ends))
        await consumer.seek_to_beginning()
        read = []
        while ends:
            for at, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    headers = b" ".join(name.encode() + b" " + value for name, value in record.headers)
                    read.append((at.topic, b" ".join((record.key or b"", headers, record.value or b""))))
            for at in [each for each in ends if await consumer.position(each) >= ends[each]]:
                del ends[at]
                consumer.pause(at)
        return read
    finally:
        await consumer.stop()
