"""The one table of refusals on the wire: each is a gRPC status, an HTTP status, and a reason for machines.

    TaxonError --status_of--> Status --rpc_message--> google.rpc.Status with ErrorInfo
                                     --problem------> the body of an HTTP answer

Law: every error of `shared.errors` has a status; the nearest class in its tree decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, cast

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from shared import errors

DOMAIN = "taxon"


@dataclass(frozen=True)
class Status:
    """The answer to an error. reason: a word for machines, in upper case; it is also the label of counters."""

    code: grpc.StatusCode
    http: int
    reason: str


INTERNAL = Status(grpc.StatusCode.INTERNAL, 500, "INTERNAL")

STATUSES: Mapping[type[Exception], Status] = {
    errors.ImageError: Status(grpc.StatusCode.INVALID_ARGUMENT, 400, "NOT_A_PICTURE"),
    errors.UnsupportedPicture: Status(grpc.StatusCode.INVALID_ARGUMENT, 415, "UNSUPPORTED_PICTURE"),
    errors.ViewNotApplied: Status(grpc.StatusCode.FAILED_PRECONDITION, 422, "VIEW_NOT_APPLIED"),
    errors.Unauthenticated: Status(grpc.StatusCode.UNAUTHENTICATED, 401, "UNAUTHENTICATED"),
    errors.NotAllowed: Status(grpc.StatusCode.PERMISSION_DENIED, 403, "PERMISSION_DENIED"),
    errors.PreviewsOff: Status(grpc.StatusCode.PERMISSION_DENIED, 403, "PREVIEWS_OFF"),
    errors.BadName: Status(grpc.StatusCode.INVALID_ARGUMENT, 400, "BAD_NAME"),
    errors.BadRequest: Status(grpc.StatusCode.INVALID_ARGUMENT, 400, "BAD_REQUEST"),
    errors.UnknownName: Status(grpc.StatusCode.INVALID_ARGUMENT, 400, "UNKNOWN_NAME"),
    errors.MissingGroup: Status(grpc.StatusCode.FAILED_PRECONDITION, 409, "MISSING_GROUP"),
    errors.BitstreamError: Status(grpc.StatusCode.DATA_LOSS, 400, "DAMAGED_BITSTREAM"),
    errors.WrongBundle: Status(grpc.StatusCode.FAILED_PRECONDITION, 409, "BUNDLE_MISMATCH"),
    errors.UnknownCamera: Status(grpc.StatusCode.NOT_FOUND, 404, "UNKNOWN_CAMERA"),
    errors.OwnedElsewhere: Status(grpc.StatusCode.FAILED_PRECONDITION, 409, "OWNED_ELSEWHERE"),
    errors.ChangedMeanwhile: Status(grpc.StatusCode.ABORTED, 412, "CHANGED_MEANWHILE"),
    errors.CameraPaused: Status(grpc.StatusCode.FAILED_PRECONDITION, 409, "CAMERA_PAUSED"),
    errors.UnsupportedEncoding: Status(grpc.StatusCode.INVALID_ARGUMENT, 415, "UNSUPPORTED_ENCODING"),
    errors.TooLarge: Status(grpc.StatusCode.RESOURCE_EXHAUSTED, 413, "TOO_LARGE"),
    errors.Busy: Status(grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "BUSY"),
    errors.DiskFull: Status(grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "DISK_FULL"),
    errors.RateLimited: Status(grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "RATE_LIMITED"),
    errors.BundleMismatch: Status(grpc.StatusCode.FAILED_PRECONDITION, 409, "BUNDLE_MISMATCH"),
    errors.ProtocolMismatch: Status(grpc.StatusCode.FAILED_PRECONDITION, 409, "PROTOCOL_MISMATCH"),
    errors.CameraTaken: Status(grpc.StatusCode.ALREADY_EXISTS, 409, "CAMERA_TAKEN"),
    errors.NotReady: Status(grpc.StatusCode.UNAVAILABLE, 503, "NOT_READY"),
    errors.BusAway: Status(grpc.StatusCode.UNAVAILABLE, 503, "BUS_AWAY"),
    errors.Superseded: Status(grpc.StatusCode.ABORTED, 409, "SUPERSEDED"),
    errors.Draining: Status(grpc.StatusCode.UNAVAILABLE, 503, "DRAINING"),
    errors.DeadlinePassed: Status(grpc.StatusCode.DEADLINE_EXCEEDED, 504, "DEADLINE_PASSED"),
    errors.BundleError: Status(grpc.StatusCode.FAILED_PRECONDITION, 500, "BAD_BUNDLE"),
    errors.FolderError: Status(grpc.StatusCode.FAILED_PRECONDITION, 500, "BAD_FOLDER"),
    errors.ReleaseMismatch: Status(grpc.StatusCode.FAILED_PRECONDITION, 500, "RELEASE_MISMATCH"),
    errors.LatentError: INTERNAL,
    errors.TaxonError: INTERNAL,
}


def status_of(error: BaseException) -> Status:
    """Return the status of an error, by the nearest of its classes; INTERNAL for what nobody meant to raise."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return INTERNAL


def rpc_message(error: errors.TaxonError) -> status_pb2.Status:
    """Return the refusal as google.rpc.Status with an ErrorInfo of this table's reason."""
    status = status_of(error)
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=status.reason, domain=DOMAIN))
    return status_pb2.Status(code=status.code.value[0], message=str(error), details=[detail])


async def abort(context: grpc.aio.ServicerContext, error: errors.TaxonError) -> NoReturn:  # type: ignore[type-arg]
    """End a call with the error's status and details."""
    await context.abort_with_status(rpc_status.to_status(rpc_message(error)))
    raise AssertionError("abort_with_status raises")


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason that a service gave for refusing, or the status code's name where it gave none."""
    try:
        status = rpc_status.from_call(cast(grpc.Call, error))
    except ValueError:  # a status that contradicts the call
        status = None
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return str(error.code().name)


def problem(error: errors.TaxonError) -> dict[str, str | int]:
    """Return the body of an HTTP refusal (RFC 9457, application/problem+json)."""
    status = status_of(error)
    return {"title": status.reason, "status": status.http, "detail": str(error)}
