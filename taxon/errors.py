"""Errors of the command itself, a branch of the tree that `shared.errors` draws.

Law: `taxon.main` prints each in one line; a UsageError ends in exit status 2, any other in 1.
"""

from __future__ import annotations

from shared.errors import TaxonError


class CommandError(TaxonError):
    """Anything that the command refuses by itself."""


class UsageError(CommandError):
    """The command line asks for what cannot be."""


class InputError(CommandError):
    """A file that cannot be read."""


class OutputError(CommandError):
    """A file that cannot be written."""


class MissingExtra(CommandError):  # noqa: N818 - named after what is missing
    """The command needs packages that this installation was made without."""

    def __init__(self, command: str, extra: str, missing: str | None) -> None:
        super().__init__(
            f"`taxon {command}` needs the {extra} extra: pip install '.[{extra}]' in the checkout (no module {missing})"
        )
