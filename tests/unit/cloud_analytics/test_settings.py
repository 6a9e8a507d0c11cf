"""What `--bus` takes, and what it says where the package is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cloud_analytics.settings import LOCAL_BUS, CloudSettings
from shared.errors import SettingsRefused
from shared.server.settings import load_settings

WITHOUT_NATS = "import sys; sys.modules['nats'] = None; from taxon.main import main; sys.exit(main(sys.argv[1:]))"


def test_alone_by_default_and_several_servers_with_commas() -> None:
    assert load_settings(CloudSettings, "taxon cloud", []).bus == LOCAL_BUS
    bus = "nats://a:4222,tls://user:secret@b:4222"
    assert load_settings(CloudSettings, "taxon cloud", ["--bus", bus]).bus == bus


@pytest.mark.parametrize(
    "argv", [["--bus", "a:4222"], ["--bus", "http://a"], ["--bus-name", "a.b"], ["--bus-copies", "0"]]
)
def test_what_cannot_be_is_refused_in_one_line(argv: list[str]) -> None:
    with pytest.raises(SettingsRefused, match="bus") as refused:
        load_settings(CloudSettings, "taxon cloud", argv)
    assert "\n" not in str(refused.value)


@pytest.mark.starts_process
def test_without_the_package_a_bus_is_refused_in_one_line_and_being_alone_is_not(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", WITHOUT_NATS, "cloud", "--bus", "nats://127.0.0.1:4222", "--data", str(tmp_path)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "needs the nats extra: pip install '.[nats]'" in ended.stderr
    assert "Traceback" not in ended.stderr
    imports = [sys.executable, "-c", "import sys; sys.modules['nats'] = None; import cloud_analytics.service"]
    subprocess.run(imports, check=True, timeout=60)
