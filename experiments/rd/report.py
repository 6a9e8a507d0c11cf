"""The curves of every task for readers: rate against performance, where the bits go, and what the codec's sizes are worth (paper 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.rd.figures import ablation_figure, bits_figure, curves_figure, spatial_figure
from experiments.rd.results import NAME, SCHEMES, FeatureKind, RdResults, TaskCurves
from experiments.report.names import arrow, line_name, quantity, task_name
from experiments.report.results import model_bpp, reading
from experiments.report.tables import NONE, paragraphs, prose, rate, ratio, table
from experiments.runs.curves import mean_rate_ratio
from experiments.summary import geometric_mean
from training.networks.codec_spec import CodecSpec

SIZES = {
    "codebook_size": ("codebook of {}", CodecSpec.codebook_size),
    "sequences": ("{} sequences", CodecSpec.sequences),
    "side_information": ("v of {} numbers", None),
}
CHANGES = {
    "context": "context across channel groups",
    "labels only": "trained on labels alone",
    "linear path": "linear path beside E and D",
    "optimised rounding": "encoder rounds by rate and error",
    "no side information": "no v: one Gaussian a position",
    "one Gaussian a channel": "no v: one Gaussian a channel",
}
TASK_COLUMNS = (
    "task", "figure", "original", "control group", "codebook, cheapest", "codebook, dearest", "codebook / hyperprior", "by the models",
    "codebook / IDFC",
)  # fmt: skip


@reading(NAME)
def markdown(found: Mapping[str, Any]) -> str:
    """The text of rd.md; raises DataError for a results file of another version."""
    results = RdResults.of(found)
    return paragraphs(
        "# Rate and performance of every task",
        prose(f"""
            How does a task's performance grow with the bytes that its feature may take, where do those bytes go, and what is each part
            of the codec worth? Every task here is coded alone. It is coded by the paper's codebook hyperprior, by the hyperprior of
            image compression (mean and scale) on the same transform, and by IDFC. IDFC packs the feature into a grey picture for HEVC
            intra. (The paper prints single points of these curves, in its sections 4.2 and 4.3; here on {results.made.where}.)
        """),
        "![Performance over rate, a panel a task](rd.png)",
        "Dots are operating points; those of a trained scheme are one network, those of IDFC are QPs.",
        table(TASK_COLUMNS, [*(_task_row(task) for task in results.tasks), _mean_row(results.tasks)]),
        prose("""
            The last three columns are ratios of rates at equal figures, geometric means over all figures that both reach
            (Bjontegaard's measure); less than 1 means that the codebook needs fewer bits. Rates are of coded bytes, but the middle
            one of the three counts what the models alone say. The rest of the difference is the coder, whose words and second
            string weigh most where a frame is a few bytes. The control group is the transform without any rate.
        """),
        "## Where the bits go",
        prose("""
            Side information tells the decoder how probable the symbols are: the vector v of the codebook, the spatial hyper-latent of
            the hyperprior. The rest is the latent itself. Bits by the models' cross-entropy, mean of a frame, at the cheapest and the
            dearest operating point.
        """),
        "![Bits of side information and latent at every operating point](rd_bits.png)",
        table(
            ("task", "scheme", "bits, cheapest", "of them side", "bits, dearest", "of them side"),
            [_bits_row(task, scheme) for task in results.tasks for scheme in SCHEMES],
        ),
        "## What each part is worth",
        prose(f"""
            The codebook hyperprior for {task_name(results.ablated.name)} with one thing changed at a time, one seed each. What
            changes is the codebook's entries (τ in the paper, C_1 .. C_τ), the sequences of coefficients (n), the length of the side
            information v, or v itself (in its place a Gaussian that is always the same for every position or channel). Further rows
            have a linear path beside the networks of E and D, or training without the distance to the original network's own results.
            The last has an encoder that rounds to the neighbour where the bits saved outweigh the error (same bitstream, same
            decoder). The rate ratio is
            against the codec as it is, at equal {results.ablated.shown.name}; more than 1 means that the change costs bits.
            Differences of the size of those between seeds (table 1) mean nothing.
        """),
        "![Rate ratio of every change](rd_ablations.png)",
        _ablation_table(results),
        _spatial(results),
        results.made.text(),
    )  # fmt: skip


def _task_row(task: TaskCurves) -> list[str]:
    codebook = task.curves["codebook"]
    return [
        task_name(task.name),
        f"{task.shown.name} {arrow(task.higher_is_better)}",
        task.shown.text(task.original),
        task.shown.text(task.control),
        task.cell(codebook[0]),
        task.cell(codebook[-1]),
        *(ratio(value) for value in _ratios(task)),
    ]


def _ratios(task: TaskCurves) -> tuple[float | None, float | None, float | None]:
    """Rate of the codebook against the hyperprior's, by coded bytes and by the models, and against IDFC's."""
    ours, theirs, idfc = task.curves["codebook"], task.curves["hyperprior"], task.idfc
    by_models = mean_rate_ratio(task.curve(ours, model_bpp), task.curve(theirs, model_bpp))
    return task.rate_ratio, by_models, mean_rate_ratio(task.curve(ours), task.curve(idfc))


def _mean_row(tasks: Sequence[TaskCurves]) -> list[str]:
    columns = zip(*(_ratios(task) for task in tasks), strict=True)
    return ["geometric mean", *[""] * 5, *(ratio(geometric_mean(column)) for column in columns)]


def _bits_row(task: TaskCurves, scheme: str) -> list[str]:
    ends = task.curves[scheme][0], task.curves[scheme][-1]
    cells = [cell for point in ends for cell in (f"{point.bits:.0f}", f"{100 * point.side_bits / point.bits:.0f} %")]
    return [task_name(task.name), line_name(scheme), *cells]


def change_name(name: str) -> str:
    """An ablation as a reader calls it."""
    size, _, value = name.partition("=")
    if size not in SIZES:
        return CHANGES.get(name, name.replace("_", " "))
    what, usual = SIZES[size]
    return what.format(value) + (f", not {usual}" if usual else "")


def _ablation_table(results: RdResults) -> str:
    task = results.ablated
    rows = []
    for ablation in results.ablations:
        cheap, dear = ablation.test[0], ablation.test[-1]
        rows.append(
            [
                change_name(ablation.name),
                f"{ablation.parameters:,}",
                task.cell(cheap),
                task.cell(dear),
                f"{100 * dear.side_bits / dear.bits:.0f} %",
                NONE if ablation is results.ablations[0] else ratio(ablation.rate_ratio),
            ]
        )
    return table(
        ("change", "parameters", "cheapest point", "dearest point", "side information there", "rate ratio"), rows
    )


def _spatial(results: RdResults) -> str:
    if not results.spatial:
        return ""
    return paragraphs(
        "## A feature without spatial dimensions",
        prose("""
            A class needs no map: its feature can be a vector (paper, section 3.1), whose probabilities come straight from v. Beside it
            stands the same task from a network whose feature has spatial dimensions. The two networks do not do equally well before any
            coding either, so each has its own "original".
        """),
        "![Vector features against spatial ones](rd_spatial.png)",
        *(_spatial_table(task, kinds, results) for task, kinds in results.spatial.items()),
    )  # fmt: skip


def _spatial_table(task: str, kinds: tuple[FeatureKind, ...], results: RdResults) -> str:
    figure = {entry.name: entry for entry in results.tasks}[task].figure
    shown = quantity(task, figure)
    rows = []
    for kind in kinds:
        title = f"{task_name(task)}, {kind.kind}"
        for name, point in (("cheapest", kind.test[0]), ("dearest", kind.test[-1])):
            value = shown.text(point.figures[kind.task][figure])
            size = f"{kind.parameters:,}"
            rows.append([title, size, shown.text(kind.original), name, *rate(point.bpp), value])
    return table(("feature", "parameters", "original", "operating point", "bytes a frame", "bpp", shown.name), rows)


@reading(NAME)
def figures(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """rd, rd_bits and rd_ablations, and rd_spatial where there are such tasks, each as PNG and SVG."""
    results = RdResults.of(found)
    names = [change_name(ablation.name) for ablation in results.ablations]
    written = [
        *curves_figure(results, folder),
        *bits_figure(results, folder),
        *ablation_figure(results, names, folder),
    ]
    return [*written, *(spatial_figure(results, folder) if results.spatial else [])]
