"""When certificates end, what shows while files cannot be used, and who can read them."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cloud_analytics.settings import CloudSettings
from edge_encoder.settings import EdgeSettings
from shared.server.security import server_security
from shared.server.tls.certificates import ShownFiles, ends_at
from shared.telemetry.metrics import Meters
from shared.transport.secret_files import exposed
from taxon.client import Credentials
from tests.support.security import Authority, TokenFolder, authority
from tests.support.services import settings_with

DAY = 86400.0


def not_after(registry: CollectorRegistry, certificate: str) -> float:
    value = registry.get_sample_value("t_certificate_not_after_timestamp_seconds", {"certificate": certificate})
    assert value is not None, f"no end of the {certificate} certificate is told"
    return value


def unusable(registry: CollectorRegistry, what: str) -> float | None:
    return registry.get_sample_value("t_security_files_unusable", {"what": what})


def of_openssl(file: Path) -> float:
    """The end as another program reads it, in seconds since 1970."""
    command: list[str | Path] = ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", file]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    return time.mktime(time.strptime(told.strip(), "notAfter=%Y-%m-%d %H:%M:%SZ")) - time.timezone


def renewed(ours: Authority, days: int) -> None:
    command = ["env", f"DAYS={days}", "deploy/make_ca.sh", str(ours.folder)]
    subprocess.run(command, cwd=Path(__file__).parents[5], check=True, capture_output=True, timeout=60)


@pytest.mark.starts_process
def test_the_first_of_a_chain_to_end_counts(tmp_path: Path) -> None:
    ours = authority(tmp_path)
    own, root = (ours.file(name).read_bytes() for name in ("edge.crt", "ca.crt"))
    assert ends_at(own) == of_openssl(ours.file("edge.crt"))
    assert ends_at(root + own) == ends_at(own + root) == ends_at(own) < ends_at(root)
    with pytest.raises(ValueError):
        ends_at(ours.file("edge.key").read_bytes())


@pytest.mark.starts_process
def test_a_service_tells_when_what_it_serves_and_shows_ends(tmp_path: Path) -> None:
    ours, registry = authority(tmp_path), CollectorRegistry()
    pair = {"tls_certificate": ours.file("edge.crt"), "tls_key": ours.file("edge.key")}
    shown = Credentials(ours.ca, ours.file("client.crt"), ours.file("client.key"))
    guard = server_security(settings_with(EdgeSettings, **pair), {}, Meters("t", registry), shown)
    for certificate, file in (("server", "edge.crt"), ("client", "client.crt")):
        assert not_after(registry, certificate) == of_openssl(ours.file(file))
    renewed(ours, days=3)
    guard.look()
    for certificate in ("server", "client"):
        assert 2 * DAY < not_after(registry, certificate) - time.time() <= 3 * DAY


def test_without_certificates_none_is_told(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    server_security(settings_with(CloudSettings, tokens=TokenFolder(tmp_path).path), {}, Meters("t", registry))
    assert registry.get_sample_value("t_certificate_not_after_timestamp_seconds", {"certificate": "server"}) is None
    assert unusable(registry, "certificates") == 0


def test_what_cannot_be_used_shows_until_it_can(tmp_path: Path) -> None:
    folder, registry = TokenFolder(tmp_path), CollectorRegistry()
    guard = server_security(settings_with(CloudSettings, tokens=folder.path), {}, Meters("t", registry))
    folder.add("a", "post")
    good = folder.path.read_text()
    folder.path.write_text("damaged")
    for _ in range(3):
        guard.look()
        assert unusable(registry, "tokens") == 1
    folder.path.write_text(good)
    guard.look()
    assert unusable(registry, "tokens") == 0


def test_a_token_file_whose_mode_alone_is_put_right_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The inode, the size and the time of change stay the same then."""
    folder, registry = TokenFolder(tmp_path), CollectorRegistry()
    guard = server_security(settings_with(CloudSettings, tokens=folder.path), {}, Meters("t", registry))
    folder.add("a", "post")
    # Root reads what it likes, so the refusal is the file's own call here.
    with monkeypatch.context() as closed:
        closed.setattr(Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "denied")))
        guard.look()
        assert list(guard.access.entries) == []
    guard.look()
    assert [entry.grant.name for entry in guard.access.entries] == ["a"]


@pytest.mark.starts_process
@pytest.mark.parametrize("damage", ["client.key", "client.crt", "ca.crt", "token"])
def test_what_an_edge_could_not_connect_with_is_found_before_it_has_to(damage: str, tmp_path: Path) -> None:
    ours = authority(tmp_path / "ours")
    other = authority(tmp_path / "other")
    token = TokenFolder(tmp_path / "tokens").add("edge", "uplink")
    files = ShownFiles(Credentials(ours.ca, ours.file("client.crt"), ours.file("client.key"), token))
    assert files.reload()
    assert not files.reload(), "nothing has changed"
    if damage == "token":
        token.write_text("two words\n")
    elif damage == "ca.crt":
        ours.ca.write_text("no certificate")
    else:
        ours.file(damage).write_bytes(other.file(damage).read_bytes())
    for _ in range(2):
        with pytest.raises((OSError, ValueError)):
            files.reload()


@pytest.mark.parametrize(
    ("mode", "told"),
    [(0o600, ""), (0o640, ""), (0o644, "read"), (0o646, "change"), (0o602, "change")],
)
def test_a_secret_that_everybody_can_read_is_told_of(mode: int, told: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(mode)
    lines = exposed([file, tmp_path / "none"])
    assert bool(lines) == bool(told)
    assert all(f"can {told} it" in line for line in lines)


@pytest.mark.starts_process
def test_a_service_warns_of_secrets_that_are_open(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ours, folder = authority(tmp_path), TokenFolder(tmp_path / "tokens")
    ours.file("edge.key").chmod(0o644)
    folder.path.chmod(0o640)
    pair = {"tls_certificate": ours.file("edge.crt"), "tls_key": ours.file("edge.key"), "tokens": folder.path}
    guard = server_security(settings_with(EdgeSettings, **pair), {})
    guard.look()
    told = "".join(capfd.readouterr())
    assert told.count("edge.key: everybody on this machine can read it") == 1
    assert "tokens: everybody" not in told
