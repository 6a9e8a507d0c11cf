"""See the package: a time line into out/, a picture, one summary line last; fails with 1."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path

import tests.trials.soak
from tests.trials.soak.report import draw, write_csv
from tests.trials.soak.run import run


def main() -> None:
    """Parse and run; exit with 1 where a law was broken."""
    parser = argparse.ArgumentParser(
        description=tests.trials.soak.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600.0, help="(default: 600)")
    parser.add_argument("--fps", type=float, default=10.0, help="frames a second of all cameras (default: 10)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="which comings and goings")
    parser.add_argument(
        "--json", type=Path, default=Path("out/soak.json"), help="where the figures go; a .csv beside it"
    )
    parser.add_argument("--figure", type=Path, default=Path("out/soak.png"), help="where the picture goes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = asyncio.run(run(arguments.seconds, arguments.fps, arguments.seed, Path(folder)))
    for path in (arguments.json, arguments.figure):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(soak.points, arguments.json.with_suffix(".csv"))
    if len(soak.warm) > 1:
        arguments.json.write_text(json.dumps(soak.document(), indent=1) + "\n")
        draw(soak, arguments.figure)
    print(soak)
    sys.exit(bool(soak.broken()))


if __name__ == "__main__":
    main()
