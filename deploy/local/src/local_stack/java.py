"""Java and Maven, which Apache Kafka needs: found, or asked for in one sentence, or installed on Debian as root."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable

from local_stack.failure import StackError

OLDEST_JAVA = 17
DEBIAN_PACKAGES = ("openjdk-17-jre-headless", "default-jre-headless", "maven")


class JavaMissingError(StackError):
    """Apache Kafka needs Java 17 or newer, and Maven to fetch it."""


def java_version(java: str) -> int:
    """Read the major version that this `java` says it is; 0 if it says none."""
    said = subprocess.run((java, "-version"), check=False, capture_output=True, text=True)  # noqa: S603  found on PATH
    found = re.search(r'version "(\d+)', said.stderr + said.stdout)
    return int(found.group(1)) if found else 0


def find_java() -> str:
    """Find a Java new enough for Apache Kafka."""
    java = shutil.which("java")
    if java is None:
        raise JavaMissingError(
            f"Apache Kafka needs Java {OLDEST_JAVA} or newer and none is installed: on Debian or Ubuntu, "
            "`apt-get install default-jre-headless maven`; or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours."
        )
    version = java_version(java)
    if version < OLDEST_JAVA:
        raise JavaMissingError(
            f"Apache Kafka needs Java {OLDEST_JAVA} or newer and {java} is version {version}: install a newer one, "
            "or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours."
        )
    return java


def find_maven() -> str:
    """Find Maven, which fetches the jars of Apache Kafka the first time."""
    maven = shutil.which("mvn")
    if maven is None:
        raise JavaMissingError(
            "Maven is needed once, to fetch Apache Kafka, and is not installed: on Debian or Ubuntu, "
            "`apt-get install maven`; or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours."
        )
    return maven


def install_java(say: Callable[[str], None]) -> None:
    """Install what is missing of Java and Maven, on Debian as root; elsewhere say in one sentence what to install."""
    try:
        find_java()
        find_maven()
    except JavaMissingError:
        apt = shutil.which("apt-get")
        if apt is None or os.geteuid() != 0:
            raise
        _install(apt, say)
        find_java()
        find_maven()


def _install(apt: str, say: Callable[[str], None]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}  # noqa: TID251  apt needs the caller's environment

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run((apt, "-q", *words), check=False, capture_output=True, text=True, env=environment)  # noqa: S603  fixed words

    say("Installing Java and Maven with apt-get (once; about a minute)")
    run("update")
    newest, fallback, maven = DEBIAN_PACKAGES
    for runtime in (newest, fallback):
        done = run("install", "-y", "--no-install-recommends", runtime, maven)
        if done.returncode == 0:
            return
    raise JavaMissingError(f"apt-get could not install Java and Maven: {done.stderr.strip()[-500:]}")
