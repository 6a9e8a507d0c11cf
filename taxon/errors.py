"""Errors of the command itself, a branch of the tree that `shared.errors` draws.

Law: `taxon.main` prints each in one line; a UsageError ends in exit status 2, any other in 1.
"""

from __future__ import annotations

from shared.errors import TaxonError


class CommandError(TaxonError):
    """The command itself refuses something."""


class UsageError(CommandError):
    """The command line asks for something impossible."""


class InputError(CommandError):
    """A file cannot be read."""


class OutputError(CommandError):
    """A file cannot be written."""


def needed_extra(extra: str, missing: str | None) -> str:
    """Return words for an error: which extra is needed, and how it is installed. missing: the module that was not found."""
    from_checkout = f"pip install -e '.[{extra}]' in the checkout"
    from_either = f"pip install '.[{extra}]' in the checkout, or 'WHEEL[{extra}]' with the path of Taxon's wheel"
    return f"needs the {extra} extra: {from_checkout if extra == 'train' else from_either} (no module {missing})"


class MissingExtra(UsageError):  # noqa: N818 - named after what is missing
    """The command needs packages that this installation was made without."""

    def __init__(self, command: str, extra: str, missing: str | None) -> None:
        super().__init__(f"`taxon {command}` {needed_extra(extra, missing)}")


class NeedsCheckout(UsageError):  # noqa: N818 - named after what it needs
    """The command's code is not in the wheel, but in the checkout alone."""

    def __init__(self, command: str) -> None:
        super().__init__(
            f"`taxon {command}` is not in the installed wheel: run pip install -e '.[train]' in a checkout, and use its `taxon`"
        )
