"""What discussion-svc does when its own clocks say so; it listens to nobody else yet."""

from typing import Final, cast
from uuid import UUID

from discussion_svc import application
from discussion_svc.application import SERVICE, Context
from discussion_svc.domain.discussion import CLOSING, OPENING, PROTOCOL
from shared_chassis.consumer import Reactions
from shared_chassis.store import Command
from shared_chassis.timer import DueTimer, TimerReactions
from shared_events.ids import uuid_of

REACTIONS: Final[Reactions[Context]] = {}
"""What is heard of others: nothing yet."""


def when_the_opening_minute_comes_open(context: Context, timer: DueTimer) -> None:
    """Open the exposition as it was announced."""
    application.open_exposition(context, timer.stream_id, Command.of_timer(timer, SERVICE))


def when_the_closing_minute_comes_close(context: Context, timer: DueTimer) -> None:
    """End the period as it was announced; a worker that comes late states it later, and the period stays what it was."""
    application.close_submissions(context, timer.stream_id, Command.of_timer(timer, SERVICE))


def when_commits_under_way_are_in_draw_the_protocol_up(context: Context, timer: DueTimer) -> None:
    """Draw the protocol up and put its hash on record."""
    discussion = cast("UUID", uuid_of(timer.stream_id))  # a discussion's stream always ends in one
    application.draft_protocol(context, discussion, Command.of_timer(timer, SERVICE))


TIMERS: Final[TimerReactions[Context]] = {
    OPENING: when_the_opening_minute_comes_open,
    CLOSING: when_the_closing_minute_comes_close,
    PROTOCOL: when_commits_under_way_are_in_draw_the_protocol_up,
}
"""What happens when a timer is due."""
