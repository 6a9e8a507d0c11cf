"""A service's settings with a few values of the test's own.

Their class says its defaults in pydantic's Field, where mypy does not see them: it would ask for every one of them, and for a
type that suits them all. The values' types are pydantic's to check, when the settings are made.
"""

from __future__ import annotations

from typing import Any, TypeVar

from shared.server.settings import ServiceSettings

Settings = TypeVar("Settings", bound=ServiceSettings)


def settings_with(kind: type[Settings], **chosen: Any) -> Settings:
    """The defaults but for these; what the environment says counts too."""
    return kind(**chosen)
