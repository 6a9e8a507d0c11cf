"""Fuzzing of everything that takes bytes from outside: `make fuzz DURATION=60`, or `python -m tests.trials.fuzz --seconds 60`.

    seeds, corpus --mutated--> one input --Target.run--> a promised refusal, or a result that is checked     (anything else: a finding)

`targets` lists what is fuzzed; `child` is one fuzzer process of one target (atheris, coverage-guided); `__main__` runs them in turn,
measures their memory and ends those that hang. Law: a finding leaves a file and the command that replays it.
"""
