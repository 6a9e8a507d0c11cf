"""What FFmpeg's errors on a live source mean, in words and as a state.

    error of PyAV, address --failure_of--> SourceError (gone), SourceRefused or SourceStalled

FFmpeg says "Immediate exit requested" of a camera that hangs, and "Input/output error" of a name that nobody knows. So
an error that says little is followed by one connection that is closed at once: does anybody listen there?
Law: no message has a login in it, whatever FFmpeg wrote.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from shared.errors import SetupRefused, SourceError, SourceRefused, SourceStalled
from shared.sources.address import StreamAddress
from shared.sources.decoding import av_for
from shared.transport.proxies import without_login

PROBE_SECONDS = 3.0
TRANSPORT_STATUS = "(461)"

_ONE_LISTENER = threading.Lock()
_MEDIA = re.compile(r"^m=(\w+) .*?(?=^m=|\Z)", re.MULTILINE | re.DOTALL)
_METHOD = re.compile(r"method (\w+) failed: (\d+ \([^)]*\))")
_ENCODING = re.compile(r"^a=rtpmap:\d+ ([^/\s]+)", re.MULTILINE)


def why_not_opened(name: str, error: Exception, address: StreamAddress | None, hung_seconds: float) -> SourceError:
    """Return what it means that a stream or device could not be opened.

    name: the source's. address: of a stream, None for a device. hung_seconds: how long its answer was waited for in vain,
    0 where it gave one.
    """
    av = av_for(name)
    if address is None:
        return _of_device(name, error)
    refusal = _refusal(error, address)
    if refusal is not None:
        return SourceRefused(name, _not_opened(refusal))
    if isinstance(error, av.error.HTTPNotFoundError):
        return SourceRefused(name, _not_opened("refused: there is no such stream (404); is the path right?"))
    # Any other status is an answer. Everything else may also mean that nobody is there.
    is_answer = isinstance(error, av.error.HTTPError | av.error.HTTPClientError)
    unreachable = None if is_answer else why_unreachable(address)
    if unreachable is not None:
        return SourceError(name, _not_opened(unreachable))
    if hung_seconds:
        return SourceStalled(name, f"stalled: it is connected, but sent nothing for {hung_seconds:.0f} s")
    if getattr(error, "errno", None) == errno.EPROTONOSUPPORT:
        return SetupRefused(
            name, _not_opened(f"refused: it does not send by the transport that it was asked for {TRANSPORT_STATUS}")
        )
    return SetupRefused(
        name, _not_opened(f"refused: it answers, but gives no video: {_said(error)}{_by_proxy(address)}")
    )


def why_broken(name: str, error: Exception, seconds: float) -> SourceError:
    """Return what it means that a stream or device broke off. seconds: how long its next packet was waited for."""
    av = av_for(name)
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return SourceStalled(name, f"stalled: it is connected, but sent nothing for {seconds:.0f} s")
    return SourceError(name, f"broke off ({_said(error)})")


def why_unreachable(address: StreamAddress) -> str | None:
    """Return why nobody can be connected to there; None where somebody can, or where a proxy stands between."""
    if proxy_of(address) is not None:
        return None
    try:
        socket.create_connection(address.connects_to, PROBE_SECONDS).close()
    except socket.gaierror as error:
        return f"gone: nobody knows the host {address.host} ({error.strerror})"
    except TimeoutError:
        return f"gone: {_endpoint(address)} does not answer"
    except ConnectionRefusedError:
        return _nobody_listens(address)
    except OSError as error:
        return f"gone: {_endpoint(address)} cannot be reached ({error.strerror})"
    return None


def proxy_of(address: StreamAddress) -> str | None:
    """Return the proxy that FFmpeg takes for this address, None for none."""
    proxy = os.environ.get("http_proxy", "")
    return proxy if address.scheme in ("http", "https") and not address.is_loopback and proxy else None


def asked_again(file: str, options: Mapping[str, str], seconds: float) -> str:
    """Return what an RTSP camera says where it gives no pictures, such as `it offers video H266`; "" where it says nothing.

    It asks once more and listens to FFmpeg's log meanwhile: nothing else of FFmpeg tells the name of an unknown codec.
    """
    av = av_for(file)
    said: list[Any] = []
    with _ONE_LISTENER:
        # Meanwhile FFmpeg also writes what it says of other sources, which is for nobody.
        logging.getLogger("libav").setLevel(logging.CRITICAL + 1)
        av.logging.set_level(av.logging.VERBOSE)
        try:
            with av.logging.Capture() as said:
                av.open(file, "r", options=dict(options), timeout=(seconds, seconds)).close()
        except (av.FFmpegError, OSError, ValueError):
            pass  # The error was had before.
        finally:
            av.logging.set_level(None)
    lines = [line for _, _, line in said]
    refused = [f"it answers {found[1]} with {found[2]}" for line in lines if (found := _METHOD.search(line))]
    offers = [offer for line in lines if line.startswith("SDP:") for offer in _offers(line)]
    return "; ".join(refused[-1:] + ([f"it offers {', '.join(offers)}"] if offers else []))


def _offers(description: str) -> Iterator[str]:
    for media in _MEDIA.finditer(description):
        encoding = _ENCODING.search(media.group())
        yield f"{media[1]} {encoding[1]}" if encoding else media[1]


def _refusal(error: Exception, address: StreamAddress) -> str | None:
    """Return the words of an answer that refuses whoever asks, None for any other error."""
    av = av_for(address.host)
    if isinstance(error, av.error.HTTPUnauthorizedError):
        if address.login is None:
            return f"refused: it asks for a user name and a password (401); write {address.scheme}://USER:PASSWORD@HOST"
        return "refused: it does not take this user name and password (401)"
    if isinstance(error, av.error.HTTPForbiddenError):
        return "refused: this user may not see it (403)"
    return None


def _said(error: Exception) -> str:
    """Return FFmpeg's words for the error, which have no address in them."""
    return getattr(error, "strerror", None) or type(error).__name__


def _by_proxy(address: StreamAddress) -> str:
    proxy = proxy_of(address)
    return f" (through the proxy {without_login(proxy)} that http_proxy names)" if proxy else ""


def _nobody_listens(address: StreamAddress) -> str:
    return f"gone: the connection to {_endpoint(address)} is refused; is the camera on, and the port right?"


def _endpoint(address: StreamAddress) -> str:
    return f"{address.host}:{address.connects_to[1]}"


def _of_device(name: str, error: Exception) -> SourceError:
    """Return what it means that a webcam could not be opened."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return SourceError(name, _not_opened("gone: there is no such device"))
    if number == errno.EACCES:
        return SourceRefused(
            name, _not_opened("refused: this user may not read the device; on Debian its group is video")
        )
    if number == errno.EBUSY:
        return SourceRefused(name, _not_opened("refused: another program has the device"))
    return SourceRefused(name, _not_opened(_said(error)))


def _not_opened(why: str) -> str:
    return f"cannot be opened ({why})"
