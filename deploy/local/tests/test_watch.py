"""What ends unexpectedly is said in a sentence; what is as it should be is not."""

from pathlib import Path

import pytest

from local_stack.places import Home
from local_stack.watch import Journal, restarts

STARTED = [
    "2026-11-23 05:41:00,100 INFO spawned: 'kafka' with pid 23016",
    "2026-11-23 05:41:01,200 INFO success: kafka entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)",
]
KILLED = "2026-11-23 05:42:00,000 WARN exited: kafka (terminated by SIGKILL; not expected)"
BACK = [line.replace("05:41", "05:42") for line in STARTED]
STOPPED = "2026-11-23 05:43:00,000 WARN stopped: kafka (terminated by SIGTERM)"
TOO_QUICK = "2026-11-23 05:42:03,000 WARN exited: kafka (exit status 1; not expected)"
GIVEN_UP = "2026-11-23 05:44:00,000 INFO gave up: kafka entered FATAL state, too many start retries too quickly"


def said(lines: list[str], home: Path) -> list[str]:
    """Collect the sentences for these lines."""
    journal = Journal(Home.at(home))
    return [sentence for line in lines if (sentence := journal.sentence(line))]


def test_starting_and_stopping_on_request_is_not_worth_a_word(tmp_path: Path) -> None:
    """Nobody is told of what they asked for."""
    assert said([*STARTED, STOPPED], tmp_path) == []


def test_a_kill_and_the_restart_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the signal and where the log is, from where one stands."""
    monkeypatch.chdir(tmp_path)
    assert said([*STARTED, KILLED, *BACK], tmp_path) == [
        "kafka ended unexpectedly (signal 9) and was restarted; its log: log/kafka.log"
    ]


def test_what_does_not_come_back_is_said_too(tmp_path: Path) -> None:
    """The second failure and the end of trying are sentences of their own."""
    sentences = said([*STARTED, KILLED, BACK[0], TOO_QUICK, GIVEN_UP], tmp_path)
    assert len(sentences) == 2
    assert "could not be started again (exit status 1)" in sentences[0]
    assert "was given up" in sentences[1]


def test_restarts_are_counted_for_each_program(tmp_path: Path) -> None:
    """Every end that nobody asked for counts."""
    home = Home.at(tmp_path)
    home.supervisor.mkdir()
    (home.supervisor / "supervisord.log").write_text("\n".join([*STARTED, KILLED, *BACK, TOO_QUICK, *BACK, STOPPED]) + "\n")
    assert restarts(home) == {"kafka": 2}
