"""The supervisor's configuration says what is to run, and reads back as it was meant."""

import configparser
from pathlib import Path

import pytest

from local_stack.places import Home
from local_stack.supervision import Program, SupervisionError, environment_of_programs, render, stanzas

HOME = Home.at(Path("/srv/city 100%"))


def read(text: str) -> configparser.RawConfigParser:
    """Read a configuration as supervisord does, before it expands percent signs."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(text)
    return parser


def test_a_program_restarts_by_itself_and_stops_with_its_children() -> None:
    """What ends comes back; what is stopped takes its children along."""
    section = read(render(HOME, [Program("kafka", ("java", "-cp", "a b/*"), {"KEY": "a=b,c%"}, priority=20)]))["program:kafka"]
    assert section["command"] == "java -cp 'a b/*'"
    assert section["environment"] == 'KEY="a=b,c%%"'
    assert section["priority"] == "20"
    assert (section["autorestart"], section["stopasgroup"], section["killasgroup"]) == ("true", "true", "true")
    assert section["stdout_logfile"] == "/srv/city 100%%/log/kafka.log"


@pytest.mark.parametrize("value", ['a"b', "a\nb", "a ;b"])
def test_a_value_that_would_be_read_otherwise_is_refused(value: str) -> None:
    """Better no start than one with a cut setting."""
    with pytest.raises(SupervisionError, match="cannot carry"):
        render(HOME, [Program("a", ("true",), {"KEY": value})])


def test_fewer_programs_are_a_part_of_the_whole_and_a_changed_one_is_not() -> None:
    """Starting the parts alone leaves the running services; another port does not."""
    whole = render(HOME, [Program("a", ("true",)), Program("b", ("true",))])
    assert stanzas(render(HOME, [Program("a", ("true",))])) <= stanzas(whole)
    assert not stanzas(render(HOME, [Program("a", ("false",))])) <= stanzas(whole)


def test_programs_inherit_little_and_carry_the_mark_of_their_stack() -> None:
    """Settings in the caller's shell reach no service behind our back."""
    inherited = environment_of_programs(HOME, {"PATH": "/bin", "POSTGRES_ENABLE_DB_FUNCTIONS": "y", "DATABASE_URL": "x"})
    assert inherited == {"LANG": "C.UTF-8", "PATH": "/bin", "VECHE_STACK": "/srv/city 100%"}
