"""Taxon: one camera. Its bits against its budget, its frames, its delay."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as dashboard_models

from deploy.grafana.build.panels import FRAMES_A_SECOND, SOURCE, Query, curves, new_dashboard, number

CAMERAS = "label_values(taxon_edge_frames_total, camera)"


def made() -> dashboard.Dashboard:
    """Panels from left to right, top to bottom; $camera is the one that is looked at."""
    board = new_dashboard("taxon-camera", "Taxon: one camera", "One camera: bits, frames, delay.")
    board = board.with_variable(
        dashboard.QueryVariable("camera")
        .label("Camera")
        .datasource(SOURCE)
        .query(CAMERAS)
        .refresh(dashboard_models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard_models.VariableSort.ALPHABETICAL_ASC)
    )
    for panel in (
        number(
            "Last frame",
            "How long ago; above two minutes the camera is dark.",
            "s",
            'time() - max(taxon_edge_camera_last_frame_timestamp_seconds{camera="$camera"})',
            decimals=0,
        ),
        number("Bits", "Whole bitstreams.", "bps", 'camera:taxon_bits_per_second:rate5m{camera="$camera"}'),
        number(
            "A frame",
            "Bytes of its bitstream.",
            "bytes",
            'camera:taxon_bytes_per_frame:rate5m{camera="$camera"}',
            decimals=0,
        ),
        number(
            "Bits per pixel",
            "Of the network's input; whole bitstreams.",
            "short",
            'camera:taxon_bitstream_bpp:rate5m{camera="$camera"}',
            decimals=4,
        ),
        number(
            "Saved against JPEG",
            "The part of this camera's own JPEG files of the same frames that was not sent.",
            "percentunit",
            'camera:taxon_saved_against_jpeg:ratio_rate5m{camera="$camera"}',
            decimals=2,
        ),
        number(
            "To its results",
            "From capture, the mean of five minutes.",
            "s",
            'camera:taxon_result_delay_seconds:mean_rate5m{camera="$camera"}',
            decimals=2,
        ),
        curves(
            "Bits against the budget",
            "The budget is a line only where the camera has one.",
            "bps",
            Query('camera:taxon_bits_per_second:rate5m{camera="$camera"}', "bitstreams"),
            Query('camera:taxon_wire_bits_per_second:rate5m{camera="$camera"}', "wire"),
            Query('8 * max by (camera) (taxon_edge_budget_bytes_per_second{camera="$camera"})', "budget"),
        ),
        curves(
            "Bits per pixel by group",
            "What the coder wrote, and what the model's tables say.",
            "short",
            Query('camera_group:taxon_coded_bpp:rate5m{camera="$camera"}', "{{group}}"),
            Query('camera_group:taxon_cross_entropy_bpp:rate5m{camera="$camera"}', "{{group}}, cross-entropy"),
        ),
        curves(
            "Side information, latent, framing",
            "The coder's bytes, shared out as the model's information is.",
            "bps",
            Query('camera_group_part:taxon_coded_bits_per_second:rate5m{camera="$camera"}', "{{group}}: {{part}}"),
            stacked=True,
        ),
        curves(
            "What stands above the model",
            "The coder's bytes above the cross-entropy, and the wire's above the bitstreams (below them while the link is down).",
            "percentunit",
            Query('camera:taxon_coder_overhead:ratio_rate5m{camera="$camera"}', "coder"),
            Query('camera:taxon_wire_overhead:ratio_rate5m{camera="$camera"}', "wire"),
        ),
        curves(
            "What became of its frames",
            "A second. Repeated posts are those that were answered with an earlier receipt.",
            FRAMES_A_SECOND,
            Query('camera_outcome:taxon_frames:rate5m{camera="$camera"}', "{{outcome}}"),
            Query('sum(rate(taxon_edge_repeated_posts_total{camera="$camera"}[5m]))', "repeated posts"),
            stacked=True,
        ),
        curves(
            "Frames that did not reach the cloud",
            "Dropped or refused, by reason.",
            FRAMES_A_SECOND,
            Query('camera_reason:taxon_dropped_frames:rate5m{camera="$camera"}', "{{reason}}"),
        ),
        curves(
            "What it sees, and its source",
            "1 for the sight and the state that hold. Where the camera posts by itself, there is no state of a source.",
            "short",
            Query('max by (state) (taxon_edge_camera_sight{camera="$camera"}) == 1', "sees: {{state}}"),
            Query('max by (state) (taxon_edge_source_state{camera="$camera"}) == 1', "source: {{state}}"),
        ),
        curves(
            "Breaks of its source",
            "In five minutes: breaks and stalls, packets that gave no picture, frames that a newer one replaced.",
            "short",
            Query('sum(increase(taxon_edge_source_failures_total{camera="$camera"}[5m]))', "breaks"),
            Query('sum(increase(taxon_edge_source_damaged_packets_total{camera="$camera"}[5m]))', "damaged packets"),
            Query('sum(increase(taxon_edge_source_superseded_frames_total{camera="$camera"}[5m]))', "superseded"),
        ),
        curves(
            "Operating point",
            "Of the last coded frame; with a budget it moves.",
            "short",
            Query('taxon_edge_operating_point{camera="$camera"}', "{{instance}}"),
        ),
        curves(
            "From capture to results",
            "The mean of five minutes.",
            "s",
            Query('camera:taxon_result_delay_seconds:mean_rate5m{camera="$camera"}', "mean"),
        ),
    ):
        board = board.with_panel(panel)
    return board
