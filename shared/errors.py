"""The tree of errors that this project raises on purpose, drawn whole.

    TaxonError
    |- BundleError(path, reason)      a model bundle that cannot be trusted or used
    |- ImageError(reason)             a picture that cannot become a frame
    |  |- UnsupportedPicture(what)    ... because its format is none that is taken
    |  |- ViewNotApplied(reason)      ... because its camera's crop or masks cannot be applied to it
    |- LatentError                    integers that the format cannot carry (a fault of the model, not of the line)
    |- SourceError(source, reason)    a folder, video or camera that gives no frames
    |  |- SourceRefused               ... because it answers with a refusal, or with what is no picture
    |  |  |- SetupRefused             ... because it answers, but does not begin to send
    |  |- SourceStalled               ... because it is connected, but sends nothing
    |  |- NoVideoPackage(source)      ... because the extra `video` is not installed
    |- UnknownName(kind, name, known) a task, group or operating point that the bundle does not have
    |- MissingGroup(name, sent)       a group that the bundle has but this bitstream does not carry
    |- BitstreamError                 bytes that are refused as a whole; nothing of them is used
    |  |- NotABitstream               the first byte is another format's
    |  |- TruncatedBitstream          it ends too early
    |  |- CorruptBitstream            it contradicts itself, or its check sum
    |  |- UnknownBitstreamVersion     written by a newer (or another) release
    |  |- WrongBundle                 written with another bundle
    |- CodingFailed                   a frame that could not be coded, for a fault of the edge
    |- CallHangs                      a call of a library that took longer than its deadline
    |- FolderError(path, reason)      a data folder that cannot be used
    |  |- ReleaseMismatch              its file was written by another release, and is left as it is
    |- JournalFailed                  the cloud's journal cannot be written; the edge sends its frames again
    |- LogUnavailable                 the cloud's frame log cannot be written or read now; it may pass
    |- WishesNotKept                  wishes that hold, but would not outlive the process
    |- BusUnusable(reason)            a bus (NATS) that the replicas of a service cannot use
    |- SettingsRefused                a service's setting that is unknown or has an impossible value
    |- AddressInUse                   a service cannot listen where it was told to
    |- ProviderMissing                an execution provider that was asked for by name does not load
    |- Refused(reason, message, code) a request of a client that a service refused
    |- Unreachable(target, ...)       a service that a client gave up calling
    |- RequestError                   a request that a service refuses
    |  |- Unauthenticated             a request without a token that this service knows
    |  |- NotAllowed(name, what)      a token without the scope that this takes
    |  |- PreviewsOff                 a picture of a camera that this edge does not give away
    |  |- BadName(kind, name)         a text that is no name of a camera, edge or subscription
    |  |- BadRequest                  an impossible value, or messages that contradict one another
    |  |- UnknownCamera(name, known)  a camera that this service does not know
    |  |- OwnedElsewhere(name, place) a camera whose settings are changed in another place
    |  |- ChangedMeanwhile(name)      a camera that somebody else has changed since it was read
    |  |- CameraPaused(name)          a frame of a camera that was paused
    |  |- UnsupportedEncoding         a body that is compressed in a way that is not taken
    |  |- TooLarge                    a message with more bytes than the service takes
    |  |- Busy                        a bounded queue or number is full; a later attempt may succeed
    |  |  |- DiskFull                 the disk has no room for what must be kept
    |  |  |- RateLimited(name, ...)   a camera gives more frames than were set for it
    |  |- BundleMismatch              edge and cloud have different bundles
    |  |- ProtocolMismatch            edge and cloud speak different versions
    |  |- CameraTaken                 a camera that another connected edge sends
    |  |- Superseded(name)            another connection under the same id took this one's place
    |  |- Draining                    the service is stopping
    |  |- NotReady                    the service is starting
    |  |- BusAway                     the bus that the replicas of a service share cannot be reached
    |  |- DeadlinePassed              the answer took too long
    |- CommandError*                  a refusal of the command itself
    |  |- UsageError*                 a command line that asks for something impossible; exit status 2
    |  |  |- MissingExtra*            the command needs packages that are not installed
    |  |  |- NeedsCheckout*           the command's code is not in the wheel
    |  |- EdgeRefused*                an edge's answer that it cannot do what was asked
    |  |- InputError*                 a file that cannot be read
    |  |- OutputError*                a file that cannot be written
    |  |- ChildDied*                  a process of the demo ended by itself
    |- DataError*                     a data set that is missing or incomplete
    |- ExportError*                   a bundle that cannot be written
    |- DecodingError*                 bytes that did not decode to what was coded

An error with a star belongs to one program alone and is defined beside the code that raises it. All others are defined
here, and `shared.transport.status_codes` gives each its gRPC and HTTP status.
Law: every message says what was wrong and what to do about it.
"""

# ruff: noqa: N818 - the names say what is wrong; the tree above says that they are errors.
from __future__ import annotations

from collections.abc import Iterable


class TaxonError(Exception):
    """The root of everything that this project refuses on purpose."""


class BundleError(TaxonError):
    """A bundle's file is missing, changed, unlisted or of an unknown format."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class ImageError(TaxonError):
    """A picture that cannot become a frame."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnsupportedPicture(ImageError):
    """A picture, or another file, whose format is none of those that are taken."""

    def __init__(self, what: str) -> None:
        super().__init__(f"this is {what}, which is not taken: send JPEG, PNG, WebP or AVIF")
        self.what = what


class ViewNotApplied(ImageError):
    """The crop or the masks of a camera cannot be applied to its picture, which is refused rather than sent without them."""


class LatentError(TaxonError):
    """Latent integers of a wrong shape, or outside the 16 bits that the format carries."""


class SourceError(TaxonError):
    """A folder, video or camera that gives no frames, or stopped giving them.

    `shared.sources.state` gives each kind its state: this class itself says that nothing is there that answers.
    """

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason


class SourceRefused(SourceError):
    """A source that answers, but with a refusal (a password, a path) or with something that is no picture."""


class SetupRefused(SourceRefused):
    """A live source that answers, but does not begin to send; perhaps it would by another transport."""


class SourceStalled(SourceError):
    """A source that is connected, but sent no frame for longer than its rate allows."""


class NoVideoPackage(SourceError):
    """Videos and live cameras need a package that this installation was made without."""

    def __init__(self, source: str) -> None:
        super().__init__(source, "videos and live cameras need the video extra: pip install '.[video]' in the checkout")


class UnknownName(TaxonError):
    """A task, group or operating point that the bundle does not have."""

    def __init__(self, kind: str, name: object, known: Iterable[object]) -> None:
        choices = ", ".join(str(choice) for choice in known)
        super().__init__(f"unknown {kind} {str(name)[:80]}; choose one of: {choices}")
        self.kind = kind
        self.name = name


class MissingGroup(TaxonError):
    """A group of tasks that a bitstream does not carry."""

    def __init__(self, name: str, sent: Iterable[str]) -> None:
        carried = ", ".join(sent)
        super().__init__(
            f"the bitstream does not carry the group {name}, only {carried}; ask for tasks of {carried}, or encode with {name}"
        )
        self.name = name


class CodingFailed(TaxonError):
    """A frame that could not be coded, for a fault of the edge and not of the picture."""


class CallHangs(TaxonError):
    """A call that took longer than its deadline, its wait for a thread included."""


class FolderError(TaxonError):
    """A service's data folder that cannot be used."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class ReleaseMismatch(FolderError):
    """A file in the data folder that another release wrote, so that this one can neither read it nor put it aside."""

    def __init__(self, path: str, content: str, found: int, supported: int) -> None:
        super().__init__(
            path,
            f"this {content} was written by another release: it has version {found}, this release reads {supported}. "
            "Nothing was changed. Run the release that wrote it until it is drained, or name another folder with --data "
            "(docs/deployment.md, Going up and down a release)",
        )


class JournalFailed(TaxonError):
    """A message that could not be written to the journal; the edge keeps its frames and sends them again."""


class LogUnavailable(TaxonError):
    """Nothing can be written or read now (a full disk, a bus that is away); it may pass."""


class WishesNotKept(TaxonError):
    """The wishes themselves count, but would not outlive this process."""


class BusUnusable(TaxonError):
    """A bus that the replicas of a service cannot use."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the bus cannot be used: {reason}")


class SettingsRefused(TaxonError):
    """A setting of a service that is unknown or has an impossible value."""


class AddressInUse(TaxonError):
    """A service cannot listen where it was told to."""


class ProviderMissing(TaxonError):
    """An execution provider that was asked for by name does not load here."""


class BitstreamError(TaxonError):
    """A bitstream that is refused as a whole."""


class NotABitstream(BitstreamError):
    """The bytes are some other format's."""


class TruncatedBitstream(BitstreamError):
    """The bytes end before the bitstream does."""


class CorruptBitstream(BitstreamError):
    """The bytes contradict themselves or their check sum."""


class UnknownBitstreamVersion(BitstreamError):
    """The bytes were written by a release with another bitstream version."""

    def __init__(self, version: int, supported: int) -> None:
        super().__init__(
            f"bitstream version {version} is unknown: this release reads version {supported}; "
            "update the side that decodes"
        )
        self.version = version
        self.supported = supported


class WrongBundle(BitstreamError):
    """The bytes were written with another bundle than the one that is loaded."""

    def __init__(self, found: bytes, expected: bytes) -> None:
        super().__init__(
            f"the bitstream was written with the bundle {found.hex()}..., but the bundle loaded here is "
            f"{expected.hex()}...; load the same bundle on both sides"
        )
        self.found = found
        self.expected = expected


class Refused(TaxonError):
    """A request of a client that a service refused.

    reason: the word of `shared.transport.status_codes`. code: the name of the gRPC status.
    """

    def __init__(self, reason: str, message: str, code: str) -> None:
        super().__init__(message or reason)
        self.reason = reason
        self.code = code


class Unreachable(TaxonError):
    """A service did not answer for as long as its client was told to try."""

    def __init__(self, target: str, seconds: float, why: str) -> None:
        super().__init__(
            f"{target} was not reached for {seconds:.0f} s ({why}); is the service running, and the address right?"
        )
        self.target = target


class RequestError(TaxonError):
    """A request that a service refuses."""


class Unauthenticated(RequestError):
    """A request without a token that this service knows."""


class NotAllowed(RequestError):
    """A token without the scope that the request takes. name: the token's."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"the token {name} has no scope {what}")


class PreviewsOff(RequestError):
    """A preview is asked of an edge that gives none, or not to somebody whom it cannot know."""


class BadName(RequestError):
    """A text that is no name of a camera, edge or subscription."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{name[:80]!r} is no {kind} id: take 1 to 64 of the characters A-Z a-z 0-9 . _ -")


class BadRequest(RequestError):
    """An impossible value, or messages that contradict one another."""


class UnknownCamera(RequestError):
    """A camera that this service does not know. known: None where the asker may not hear of the others."""

    def __init__(self, name: str, known: Iterable[str] | None) -> None:
        self.known = tuple(known or ())
        listed = "" if known is None else f"; known are: {', '.join(self.known) or 'none yet'}"
        super().__init__(f"unknown camera {name}{listed}")
        self.name = name


class OwnedElsewhere(RequestError):
    """A camera whose settings stand in another place than the one that is asked to change them."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(f"camera {name} is set in {place}; change it there")
        self.name = name


class ChangedMeanwhile(RequestError):
    """A camera that is not as its reader thinks; what the reader wanted to change was not changed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"camera {name} is not as you read it; read it again, and send the change with its new ETag")
        self.name = name


class CameraPaused(RequestError):
    """A frame of a camera that somebody paused."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"camera {name} is paused, so that none of its frames are taken; resume it (taxon cameras resume)"
        )
        self.name = name


class UnsupportedEncoding(RequestError):
    """A body that is compressed in a way that is not taken."""

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"a body with Content-Encoding {encoding[:40]!r} is not taken: send the file as it is, or with gzip or deflate"
        )


class TooLarge(RequestError):
    """A message with more bytes than the service takes."""

    def __init__(self, what: str, found: int | None, limit: int) -> None:
        size = "more" if found is None else f"{found} bytes"
        super().__init__(f"{what} has {size}; at most {limit} bytes are taken")


class Busy(RequestError):
    """A bounded queue or number is full; a later attempt may succeed."""


class DiskFull(Busy):
    """The disk has no room for what must be kept."""


class RateLimited(Busy):
    """A camera gives more frames than were set for it. wait_seconds: until the next one is taken."""

    def __init__(self, name: str, most_fps: float, wait_seconds: float) -> None:
        super().__init__(f"camera {name} may give {most_fps:g} frames a second; post slower, or raise its most_fps")
        self.wait_seconds = wait_seconds


class BundleMismatch(RequestError):
    """Edge and cloud have different bundles."""

    def __init__(self, found: bytes, served: Iterable[bytes]) -> None:
        listed = ", ".join(digest.hex() for digest in served) or "none"
        super().__init__(
            f"the edge codes with the bundle {found[:32].hex()}, this cloud serves {listed}; load the same bundle on both sides"
        )


class ProtocolMismatch(RequestError):
    """Edge and cloud speak different versions of the uplink."""

    def __init__(self, found: int, supported: int) -> None:
        super().__init__(
            f"uplink protocol version {found} is unknown: this release speaks version {supported}; update the older side"
        )


class CameraTaken(RequestError):
    """A camera that another connected edge sends."""

    def __init__(self, name: str, edge: str) -> None:
        super().__init__(f"camera {name} is sent by the connected edge {edge}; give each camera a name of its own")


class NotReady(RequestError):
    """The service is starting."""

    def __init__(self) -> None:
        super().__init__("the service is starting, its networks are not warm yet; try again soon")


class BusAway(RequestError):
    """The bus that the replicas of a service share cannot be reached."""

    def __init__(self) -> None:
        super().__init__(
            "this replica does not reach the bus that all replicas share; try again, at another one or later"
        )


class Superseded(RequestError):
    """Another connection under the same id took this one's place."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another connection came as {name} and took this one's place; give each client an id of its own"
        )
        self.name = name


class Draining(RequestError):
    """The service is stopping."""

    def __init__(self) -> None:
        super().__init__("the service is stopping and takes nothing new; try another replica now, or this one later")


class DeadlinePassed(RequestError):
    """The answer took too long."""
