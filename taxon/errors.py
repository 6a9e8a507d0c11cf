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


class MissingExtra(UsageError):  # noqa: N818 - named after what is missing
    """The command needs packages that this installation was made without."""

    def __init__(self, command: str, extra: str, missing: str | None) -> None:
        from_checkout = f"pip install -e '.[{extra}]' in the checkout"
        from_either = f"pip install '.[{extra}]' in the checkout, or 'WHEEL[{extra}]' with the path of Taxon's wheel"
        how = from_checkout if extra == "train" else from_either
        super().__init__(f"`taxon {command}` needs the {extra} extra: {how} (no module {missing})")


class NeedsCheckout(UsageError):  # noqa: N818 - named after what it needs
    """The command's code is not in the wheel, but in the checkout alone."""

    def __init__(self, command: str) -> None:
        super().__init__(
            f"`taxon {command}` is not in the installed wheel: run pip install -e '.[train]' in a checkout, and use its `taxon`"
        )
