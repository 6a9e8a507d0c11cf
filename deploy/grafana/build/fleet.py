"""Taxon: fleet. What all cameras together cost, and whether one is missing."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.build.panels import FRAMES_A_SECOND, Query, curves, new_dashboard, number


def made() -> dashboard.Dashboard:
    """Panels from left to right, top to bottom."""
    board = new_dashboard("taxon-fleet", "Taxon: fleet", "Bits, frames and savings of all cameras.")
    for panel in (
        number(
            "Cameras that give frames",
            "With a frame in the last two minutes.",
            "short",
            "count(time() - camera:taxon_last_frame_timestamp_seconds:max < 120) or vector(0)",
            width=3,
        ),
        number(
            "Dark cameras",
            "Without one; TaxonCameraDark names them.",
            "short",
            "count(time() - camera:taxon_last_frame_timestamp_seconds:max >= 120) or vector(0)",
            bad=True,
            width=3,
        ),
        number(
            "Broken sources",
            "Cameras that an edge pulls, and that give it nothing; TaxonSourceBroken names them.",
            "short",
            'count(sum by (job, instance, camera) (taxon_edge_source_state{state!="live"}) == 1) or vector(0)',
            bad=True,
            width=3,
        ),
        number(
            "Cameras that see nothing",
            "They give frames, which are frozen, black, white or covered; TaxonCameraBlind names them.",
            "short",
            'count(sum by (job, instance, camera) (taxon_edge_camera_sight{state!="clear"}) == 1) or vector(0)',
            bad=True,
            width=3,
        ),
        number(
            "Coded frames",
            "A second, all cameras.",
            FRAMES_A_SECOND,
            'sum(camera_outcome:taxon_frames:rate5m{outcome="coded"})',
            decimals=1,
            width=3,
        ),
        number(
            "Bits", "Of all bitstreams, headers included.", "bps", "sum(camera:taxon_bits_per_second:rate5m)", width=3
        ),
        number(
            "A frame",
            "Bytes of a bitstream, mean of all cameras.",
            "bytes",
            "sum(rate(taxon_edge_bitstream_bytes_total[5m])) "
            '/ (sum(rate(taxon_edge_frames_total{outcome="coded"}[5m])) > 0)',
            decimals=0,
            width=3,
        ),
        number(
            "Saved against JPEG",
            "The part of the cameras' own JPEG files of the same frames that was not sent.",
            "percentunit",
            '1 - sum(rate(taxon_edge_bitstream_bytes_total{format="jpeg"}[5m])) '
            '/ (sum(rate(taxon_edge_picture_bytes_total{format="jpeg"}[5m])) > 0)',
            decimals=2,
            width=3,
        ),
        curves(
            "Bits of each camera",
            "Whole bitstreams, headers included.",
            "bps",
            Query("camera:taxon_bits_per_second:rate5m", "{{camera}}"),
        ),
        curves(
            "Bits per pixel by group",
            "Of the network's input; the coder's bytes, without framing.",
            "short",
            Query("group:taxon_coded_bpp:rate5m", "{{group}}"),
        ),
        curves(
            "Side information against latent",
            "The coder's bytes, shared out as the model's information is: the hyperprior's vector, and z. Framing as it is.",
            "bps",
            Query("sum by (part) (camera_group_part:taxon_coded_bits_per_second:rate5m)", "{{part}}"),
            stacked=True,
        ),
        curves(
            "Share of side information by group",
            "Of the coder's bytes.",
            "percentunit",
            Query("group:taxon_side_information:ratio_rate5m", "{{group}}"),
        ),
        curves(
            "Bytes a frame",
            "Whole bitstreams, of each camera.",
            "bytes",
            Query("camera:taxon_bytes_per_frame:rate5m", "{{camera}}"),
        ),
        curves(
            "Saved against JPEG of the same frames",
            "Against the JPEG that each camera posted itself, at the quality and size that it chose.",
            "percentunit",
            Query("camera:taxon_saved_against_jpeg:ratio_rate5m", "{{camera}}"),
            from_zero=False,
        ),
        curves(
            "From the model to the wire",
            "What the tables say, what the coder wrote, whole bitstreams, and the uplink's messages.",
            "bps",
            Query("8 * sum(rate(taxon_edge_cross_entropy_bytes_total[5m]))", "cross-entropy"),
            Query('sum(camera_group_part:taxon_coded_bits_per_second:rate5m{part!="framing"})', "coded"),
            Query("sum(camera:taxon_bits_per_second:rate5m)", "bitstreams"),
            Query("sum(camera:taxon_wire_bits_per_second:rate5m)", "wire"),
        ),
        curves(
            "What became of frames",
            "Every frame that was posted and not refused, a second.",
            FRAMES_A_SECOND,
            Query("sum by (outcome) (camera_outcome:taxon_frames:rate5m)", "{{outcome}}"),
            stacked=True,
        ),
        curves(
            "Frames that did not reach the cloud",
            "Wanted by somebody, and dropped or refused, by reason.",
            FRAMES_A_SECOND,
            Query("sum by (reason) (camera_reason:taxon_dropped_frames:rate5m)", "{{reason}}"),
        ),
        curves(
            "From capture to results",
            "Of all frames of each cloud: the median, and what one in twenty is above.",
            "s",
            Query("instance:taxon_result_delay_seconds:p50_rate5m", "{{instance}} p50"),
            Query("instance:taxon_result_delay_seconds:p95_rate5m", "{{instance}} p95"),
        ),
    ):
        board = board.with_panel(panel)
    return board
