"""One fuzzer process: libFuzzer by atheris, guided by the coverage of this project's own code.

    python -m tests.trials.fuzz.child TARGET [libFuzzer's flags and corpus folders]

Half of the mutations are the target's own, which knows its format. Not run by hand: see `python -m tests.trials.fuzz --help`.
"""

from __future__ import annotations

import faulthandler
import sys
from random import Random

import atheris

with atheris.instrument_imports(include=["shared", "edge_encoder", "cloud_analytics"]):
    from shared.telemetry.logs import configure_logs
    from tests.trials.fuzz.outcome import TELL_STACKS
    from tests.trials.fuzz.targets import TARGETS


def main() -> None:
    """Run the fuzzer and do not return: libFuzzer ends the process, with 0 where it has found nothing."""
    # Refusals are no news here, and standard output is read line by line.
    configure_logs("fuzz", "error")
    faulthandler.register(TELL_STACKS, all_threads=True)
    target = TARGETS[sys.argv[1]]()

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        random = Random(seed)
        made = (
            target.mutate(bytes(data), random) if random.randrange(2) else bytes(atheris.Mutate(data, len(data) + 64))
        )
        return made[:longest]

    with target.opened():
        atheris.Setup([sys.argv[0], *sys.argv[2:]], target.run_quietly, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
