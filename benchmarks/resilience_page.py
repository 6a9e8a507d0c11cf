"""Fills the figures of docs/resilience.md from what `make chaos`, `make load` and `make soak` wrote.

    python -m benchmarks.resilience_page        docs/{chaos,load,soak}.json --> between the marks of the page

Law: no figure of the page is written by hand; what was not measured is said to be missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.load.report import read, summary, table

PAGE = Path("docs/resilience.md")
MISSING = "Not measured yet."


def chaos(path: Path) -> str:
    """A row for each kind of fault."""
    found = json.loads(path.read_text())
    rows = [
        f"{found['seconds']} s of faults with seed {found['seed']}: {found['accepted']} frames were accepted.\n"
        f"Every one was delivered once and in order to both subscribers.\n"
        f"{sum(found['refused'].values())} were refused while the disk was full; the second subscriber came {found['returns']} times."
        if not found["broken"]
        else f"**Broken**: {'; '.join(found['broken'])}",
        "",
        "| fault | times | results of new frames after, s (median) | slowest |",
        "|---|---:|---:|---:|",
        *(f"| {one['kind']} | {one['times']} | {one['median_s']} | {one['slowest_s']} |" for one in found["faults"]),
        "",
        *(f"Memory of the {kind}: {words}." for kind, words in found["memory"].items()),
        *(f"Left out on that machine: {what}." for what in found["left_out"]),
    ]
    return "\n".join(rows)


def load(path: Path) -> str:
    """The whole table and the summary."""
    found = read(path)
    return f"{table(found)}\n\n    {summary(found)}"


def soak(path: Path) -> str:
    """What each quantity did after the warm-up."""
    found = json.loads(path.read_text())
    last = found["points"][-1]
    rows = [
        f"{last['seconds'] / 60:.0f} minutes at {found['fps']:g} frames a second with seed {found['seed']}: {last['coded']} frames coded, "
        f"{found['without_result']} without a result, {found['visits']} visits.\n{'; '.join(found['broken']) or 'Every law was kept.'}",
        "",
        "| | memory after the warm-up, MB | rise to the end, MB | an hour, MB | descriptors | threads |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for kind, trends in found["trends"].items():
        memory = trends["resident_bytes"]
        held = [f"{trends[name]['start']:.0f} {_signed(trends[name]['rise'])}" for name in ("descriptors", "threads")]
        megabytes = (
            f"{memory['start'] / 1e6:.0f} | {_signed(memory['rise'] / 1e6)} | {_signed(memory['per_hour'] / 1e6)}"
        )
        rows.append(f"| {kind} | {megabytes} | {held[0]} | {held[1]} |")
    return "\n".join(rows)


def _signed(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}"  # no -0.0


PARTS: Mapping[str, Callable[[Path], str]] = {"chaos": chaos, "load": load, "soak": soak}


def filled(page: str, folder: Path) -> str:
    """The page with every part between its marks written anew. folder: of the JSON files."""
    for name, part in PARTS.items():
        path = folder / f"{name}.json"
        text = part(path) if path.exists() else MISSING
        before, begins, rest = page.partition(f"<!-- {name} -->\n")
        _, ends, after = rest.partition(f"\n<!-- /{name} -->")
        if not (begins and ends):
            raise ValueError(f"the page has no place for {name}: <!-- {name} --> ... <!-- /{name} -->")
        page = f"{before}{begins}{text}{ends}{after}"
    return page


def main() -> None:
    """Writes the page."""
    page = PAGE.read_text()
    PAGE.write_text(filled(page, PAGE.parent))
    there = [name for name in PARTS if (PAGE.parent / f"{name}.json").exists()]
    print(f"{PAGE}: filled {', '.join(there) or 'nothing'}")


if __name__ == "__main__":
    main()
