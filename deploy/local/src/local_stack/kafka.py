"""Apache Kafka in KRaft mode: jars fetched once by Maven, storage formatted once, one broker on the loopback."""

import asyncio
import base64
import fcntl
import hashlib
import importlib.resources
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from local_stack.failure import StackError
from local_stack.java import find_java, find_maven
from local_stack.places import Home
from local_stack.ports import ADDRESS

# Two cores: the client compiler alone and the serial collector leave the cores to the services. Measured with 60,000 records
# written and read four times: 7.9 s of CPU, against 15.3 s with both compilers and 11.5 s with both and G1.
JVM = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={address}:{controller}
listeners=PLAINTEXT://{address}:{broker},CONTROLLER://{address}:{controller}
advertised.listeners=PLAINTEXT://{address}:{broker},CONTROLLER://{address}:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}

# Topics are made by the service that owns them, and keep everything.
auto.create.topics.enable=false
log.retention.ms=-1
message.max.bytes=4194304
replica.fetch.max.bytes=4194304

# One broker.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0

# A small machine.
num.network.threads=2
num.io.threads=4
background.threads=4
log.cleaner.dedupe.buffer.size=16777216
"""


class KafkaStartError(StackError):
    """Apache Kafka could not be made ready."""


def _resource(name: str) -> bytes:
    return (importlib.resources.files("local_stack") / name).read_bytes()


def fetch_jars(home: Home, say: Callable[[str], None]) -> None:
    """Fetch the jars of Apache Kafka by Maven, once for each version; a second call finds them and asks nobody."""
    declaration = _resource("kafka-pom.xml")
    version = hashlib.sha256(declaration).hexdigest()
    marker = home.jars / "complete"
    home.jars.parent.mkdir(parents=True, exist_ok=True)
    with (home.jars.parent / "libs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if marker.exists() and marker.read_text() == version:
            return
        maven = find_maven()
        say("Fetching Apache Kafka by Maven (once; about 45 MB)")
        shutil.rmtree(home.jars, ignore_errors=True)
        home.jars.mkdir()
        pom = home.jars.parent / "pom.xml"
        pom.write_bytes(declaration)
        fetched = subprocess.run(  # noqa: S603  found on PATH
            (
                maven,
                "--batch-mode",
                "--quiet",
                f"--file={pom}",
                "dependency:copy-dependencies",
                f"-DoutputDirectory={home.jars}",
                "-DincludeScope=runtime",
            ),
            check=False,
            capture_output=True,
            text=True,
        )
        if fetched.returncode != 0 or not any(home.jars.glob("kafka_*.jar")):
            raise KafkaStartError(f"Maven could not fetch Apache Kafka: {(fetched.stdout + fetched.stderr).strip()[-800:]}")
        marker.write_text(version)


def prepare(home: Home, broker: int, controller: int, say: Callable[[str], None]) -> None:
    """Write the configuration for these ports, and format the storage if that was never done."""
    java = find_java()
    fetch_jars(home, say)
    home.kafka.mkdir(parents=True, exist_ok=True)
    data = home.kafka / "data"
    properties = PROPERTIES.format(address=ADDRESS, broker=broker, controller=controller, data=data)
    (home.kafka / "server.properties").write_text(properties)
    (home.kafka / "log4j2.properties").write_bytes(_resource("kafka-log4j2.properties"))
    if (data / "meta.properties").exists():
        return
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")  # noqa: TID251  a cluster's name is made at the edge
    formatted = subprocess.run(  # noqa: S603  found on PATH
        (
            *_java(home, java),
            "kafka.tools.StorageTool",
            "format",
            "--standalone",
            f"--cluster-id={cluster}",
            f"--config={home.kafka / 'server.properties'}",
        ),
        check=False,
        capture_output=True,
        text=True,
    )
    if formatted.returncode != 0:
        raise KafkaStartError(
            f"Apache Kafka could not format its storage {data}: {(formatted.stdout + formatted.stderr).strip()[-800:]}"
        )


def _java(home: Home, java: str) -> tuple[str, ...]:
    return (
        java,
        *JVM,
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={home.kafka / 'log4j2.properties'}",
        "-cp",
        f"{home.jars}/*",
    )


def command(home: Home) -> tuple[str, ...]:
    """Say how to run the broker in the foreground."""
    return (*_java(home, find_java()), "kafka.Kafka", str(home.kafka / "server.properties"))


def bootstrap(broker: int) -> str:
    """Write the address that clients start from."""
    return f"{ADDRESS}:{broker}"


def trouble(servers: str) -> str | None:
    """Ask the broker for its topics: None if it answers, else what went wrong."""
    address, _, port = servers.partition(",")[0].rpartition(":")
    try:
        socket.create_connection((address, int(port)), timeout=3).close()
    except (OSError, ValueError) as error:
        return f"{servers}: {error}"

    async def ask() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=3000)
        try:
            await admin.start()
            await admin.list_topics()
        finally:
            await admin.close()

    try:
        asyncio.run(ask())
    except (KafkaError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def jar_version(jars: Path) -> str:
    """Read from the jars which version of Apache Kafka this is."""
    for jar in jars.glob("kafka_*.jar"):
        return jar.stem.rpartition("-")[2]
    return "unknown"
