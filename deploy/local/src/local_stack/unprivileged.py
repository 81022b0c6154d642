"""Running a program as somebody who is not root, even below a directory that only root may enter.

PostgreSQL refuses to run as root. The checkout may lie in a directory of mode 0700, so that an ordinary account can
reach neither the binaries nor the data. Such an account then gets one capability, to pass directories
(`dac_read_search`, or `dac_override` in containers that withhold the first), and the securebit
`no_setuid_fixup`, without which access(2) ignores capabilities of a user who is not root.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from local_stack.failure import StackError

ACCOUNTS = ("postgres", "nobody")
CAPABILITIES = ("dac_read_search", "dac_override")


class PrivilegesError(StackError):
    """PostgreSQL refuses to run as root, and no ordinary account could be used instead."""


def account(directory: Path) -> pwd.struct_passwd:
    """Name the account for programs that refuse root.

    It is the one that `directory` was given to before, else `postgres` where that exists, else `nobody`.
    """
    owner = directory.stat().st_uid
    if owner != 0:
        return pwd.getpwuid(owner)
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PrivilegesError("PostgreSQL refuses to run as root: create an account for it (useradd postgres).")


def prefix(*, executable: Path, directory: Path) -> tuple[str, ...]:
    """Say what to put before a command so that it runs unprivileged: nothing at all for a user who is not root.

    The account must be able to run `executable` and to write into `directory`; each way is tried, not presumed.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PrivilegesError(
            "PostgreSQL refuses to run as root, and `setpriv` (package util-linux) is missing to run it as another "
            "user: install util-linux, or run Veche as an ordinary user."
        )
    user = account(directory)
    as_user = (setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    ways = [as_user] + [
        (*as_user, "--securebits=+no_setuid_fixup", f"--inh-caps=+{name}", f"--ambient-caps=+{name}") for name in CAPABILITIES
    ]
    for way in ways:
        if _reaches(way, executable, directory):
            return way
    raise PrivilegesError(
        f"PostgreSQL refuses to run as root, and the user {user.pw_name!r} may not enter {_obstacle(user, directory)}: "
        "let others pass it (chmod o+x), move the project elsewhere, or run Veche as an ordinary user."
    )


def _reaches(way: Sequence[str], executable: Path, directory: Path) -> bool:
    """Try as that user whether the executable is in reach and the directory may be written to."""
    test = shutil.which("test") or "/usr/bin/test"
    question = (test, "-x", str(executable), "-a", "-w", str(directory))
    return subprocess.run((*way, *question), check=False, capture_output=True, cwd="/").returncode == 0  # noqa: S603  our own words


def _obstacle(user: pwd.struct_passwd, directory: Path) -> Path:
    """Find the first directory on the way that others may not pass."""
    for step in (*reversed(directory.parents), directory):
        facts = step.stat()
        if not facts.st_mode & 0o001 and facts.st_uid != user.pw_uid:
            return step
    return directory
