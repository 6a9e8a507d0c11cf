"""How a panel of these dashboards is made: a title, what it means, a unit, and queries; everything else is the same for all.

curves("Bits of each camera", "...", "bps", Query(expression, "{{camera}}"), width=12)   over time, lines or stacked
number("Saved", "...", "percentunit", expression)                                        the latest value, large
"""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as dashboard_models

SOURCE = dashboard_models.DataSourceRef(type_val="prometheus", uid="taxon-prometheus")
"""As in provisioning/datasources."""

A_SECOND, FRAMES_A_SECOND = "suffix: /s", "suffix: frames/s"
NUMBER_HEIGHT, CURVES_HEIGHT = 4, 8


@dataclass(frozen=True)
class Query:
    """PromQL, and how its series are named: {{label}} stands for a label's value."""

    expression: str
    legend: str = ""


def new_dashboard(uid: str, title: str, told: str) -> dashboard.Dashboard:
    """One that looks at the last hour and comes anew every 15 s."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(told)
        .tags(["taxon"])
        .time("now-1h", "now")
        .refresh("15s")
        .timezone("browser")
        .readonly()
        .tooltip(dashboard_models.DashboardCursorSync.CROSSHAIR)
        .link(dashboard.DashboardLink("Taxon").type(dashboard_models.DashboardLinkType.DASHBOARDS).tags(["taxon"]))
    )


def number(
    title: str, told: str, unit: str, expression: str, *, width: int = 4, decimals: int | None = None, bad: bool = False
) -> stat.Panel:
    """The latest value. bad: anything above 0 is red."""
    steps = [dashboard_models.Threshold(value=None, color="green" if bad else "blue")]
    steps += [dashboard_models.Threshold(value=1e-9, color="red")] if bad else []
    panel = (
        stat.Panel()
        .title(title)
        .description(told)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(NUMBER_HEIGHT)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(dashboard.ThresholdsConfig().mode(dashboard_models.ThresholdsMode.ABSOLUTE).steps(steps))
        .with_target(_target(Query(expression), "A"))
    )
    return panel if decimals is None else panel.decimals(decimals)


def curves(
    title: str, told: str, unit: str, *queries: Query, width: int = 12, stacked: bool = False, from_zero: bool = True
) -> timeseries.Panel:
    """Over time. stacked: areas on one another, for parts of a whole."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(told)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(CURVES_HEIGHT)
        .line_width(2)
        .fill_opacity(40 if stacked else 0)
        .show_points(common_models.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    if from_zero:
        panel = panel.min(0)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    for place, query in enumerate(queries):
        panel = panel.with_target(_target(query, chr(ord("A") + place)))
    return panel


def as_json(made: dashboard.Dashboard) -> str:
    """As Grafana reads it; the same for the same panels."""
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _target(query: Query, reference: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).ref_id(reference).range()
    return target.legend_format(query.legend) if query.legend else target
