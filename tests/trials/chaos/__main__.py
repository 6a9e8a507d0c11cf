"""python -m tests.trials.chaos --seconds 600 [--seed 7] [--json docs/chaos.json]: prints what it does, and a summary last; fails with 1."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.support.bundles import write_tiny_bundle
from tests.trials.chaos.run import run


def main() -> None:
    """Parse and run; exit with 1 where a law was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="of faults (default: 300)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="which faults (default: any)")
    parser.add_argument("--json", type=Path, default=Path("out/chaos.json"), help="where the figures go")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="taxon-chaos-"))
    print(f"logs and data: {folder}", flush=True)
    bundle = folder / "models" / "tiny" / "1"
    write_tiny_bundle(bundle)
    try:
        report = asyncio.run(run(folder, bundle, options.seed, options.seconds))
    except (AssertionError, TimeoutError) as error:
        print(f"{error}\nchaos: seed {options.seed}: {' '.join(str(error).split())[:200] or 'a wait took too long'}")
        sys.exit(1)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report.document(), indent=1) + "\n")
    print(report.table())
    print(report)
    sys.exit(bool(report.broken()))


if __name__ == "__main__":
    main()
