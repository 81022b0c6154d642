"""What the cities decide beforehand, as everybody may see it."""

from collections.abc import Mapping

from shared_chassis.http import ANYBODY

MAY: Mapping[str, frozenset[str]] = {"see_rulebook": frozenset({ANYBODY})}
"""Who may: use case → roles."""
