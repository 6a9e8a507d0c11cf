"""Taxon: service health. Where time, queues and memory go in edges and clouds."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.build.panels import A_SECOND, FRAMES_A_SECOND, Query, curves, new_dashboard, number


def made() -> dashboard.Dashboard:
    """Panels from left to right, top to bottom."""
    board = new_dashboard(
        "taxon-services", "Taxon: service health", "Stages, queues and resources of edges and clouds."
    )
    for panel in (
        number(
            "Targets down",
            "Edges and clouds that do not answer.",
            "short",
            'count(up{job=~"taxon-.*"} == 0) or vector(0)',
            bad=True,
        ),
        number(
            "Alerts firing",
            "docs/runbook.md has a section for each.",
            "short",
            'count(ALERTS{alertstate="firing", alertname=~"Taxon.*"}) or vector(0)',
            bad=True,
        ),
        number("Edges connected", "To all clouds.", "short", "sum(taxon_cloud_uplinks_connected)"),
        number("Subscribers", "Connected now.", "short", "sum(taxon_cloud_subscribers)"),
        number("Walls", "Pages open now.", "short", "sum(taxon_cloud_wall_pages)"),
        number("Spooled", "Frames that wait for a cloud, all edges.", "short", "sum(taxon_edge_spool_frames)"),
        curves(
            "Stages of the edge",
            "What one in twenty is above; wait: in the queue.",
            "s",
            Query("instance_stage:taxon_edge_stage_seconds:p95_rate5m", "{{stage}}"),
        ),
        curves(
            "Stages of the cloud",
            "What one in twenty is above; to_bus: from the journal to the bus.",
            "s",
            Query("instance_stage:taxon_cloud_stage_seconds:p95_rate5m", "{{stage}}"),
        ),
        curves(
            "Answers to cameras",
            "From a post to its answer: what one in twenty is above.",
            "s",
            Query(
                "histogram_quantile(0.95, sum by (outcome, le) (rate(taxon_edge_answer_seconds_bucket[5m])))",
                "{{outcome}}",
            ),
        ),
        curves(
            "Queues",
            "Frames that wait, by place.",
            "short",
            Query("sum(taxon_edge_queue_frames)", "edge: for the networks"),
            Query("sum(taxon_cloud_receive_queue_frames)", "cloud: journal to bus"),
            Query("sum(taxon_cloud_batcher_queue_frames)", "cloud: for a batch"),
            Query("sum(taxon_cloud_subscriber_queue_frames)", "cloud: for subscribers"),
        ),
        curves(
            "Batches",
            "Frames that go through the networks together, mean.",
            "short",
            Query(
                "sum by (instance) (rate(taxon_edge_batch_frames_sum[5m])) "
                "/ (sum by (instance) (rate(taxon_edge_batch_frames_count[5m])) > 0)",
                "edge {{instance}}",
            ),
            Query(
                "sum by (instance) (rate(taxon_cloud_batch_frames_sum[5m])) "
                "/ (sum by (instance) (rate(taxon_cloud_batch_frames_count[5m])) > 0)",
                "cloud {{instance}}",
            ),
        ),
        curves(
            "Heads run",
            "Frames a second, by task: only what somebody wants runs.",
            FRAMES_A_SECOND,
            Query("sum by (task) (rate(taxon_cloud_heads_run_total[5m]))", "{{task}}"),
        ),
        curves(
            "Spool",
            "How full it is, of its bound in bytes.",
            "percentunit",
            Query("instance:taxon_spool_fill:ratio", "{{instance}}"),
        ),
        curves(
            "Waits in the spool",
            "The oldest frame's age, and how long acknowledged frames were there: what one in twenty is above.",
            "s",
            Query("max by (instance) (taxon_edge_spool_age_seconds)", "{{instance}} oldest"),
            Query(
                "histogram_quantile(0.95, sum by (instance, le) (rate(taxon_edge_ack_wait_seconds_bucket[5m])))",
                "{{instance}} p95",
            ),
        ),
        curves(
            "Credit",
            "Frames that the cloud takes further; 0 while connected: it is the narrow place.",
            "short",
            Query("taxon_edge_uplink_credit_frames", "{{instance}}"),
        ),
        curves(
            "Breaks of the uplink",
            "In five minutes: streams that began, and streams or attempts that failed.",
            "short",
            Query("sum by (instance) (increase(taxon_edge_uplink_connects_total[5m]))", "{{instance}} began"),
            Query("sum by (instance) (increase(taxon_edge_uplink_breaks_total[5m]))", "{{instance}} failed"),
        ),
        curves(
            "Results",
            "Frames a second: given to the bus, taken by subscribers, lost by them.",
            FRAMES_A_SECOND,
            Query("sum(rate(taxon_cloud_results_published_total[5m]))", "published"),
            Query("sum(rate(taxon_cloud_results_delivered_total[5m]))", "delivered"),
            Query("sum(rate(taxon_cloud_results_dropped_total[5m]))", "lost"),
        ),
        curves(
            "Refusals",
            "Posts at edges and calls at clouds, by reason.",
            A_SECOND,
            Query("sum by (reason) (rate(taxon_edge_refusals_total[5m]))", "edge {{reason}}"),
            Query("sum by (reason) (rate(taxon_cloud_refusals_total[5m]))", "cloud {{reason}}"),
        ),
        curves(
            "Callers turned away",
            "Calls without a token that is known here, or without the scope.",
            A_SECOND,
            Query(
                "sum by (instance, reason) (rate(taxon_edge_access_refused_total[5m]))", "edge {{instance}} {{reason}}"
            ),
            Query(
                "sum by (instance, reason) (rate(taxon_cloud_access_refused_total[5m]))",
                "cloud {{instance}} {{reason}}",
            ),
        ),
        curves(
            "Certificates and tokens that cannot be used",
            "1 while files that have changed are damaged, missing or do not fit together; the earlier ones hold.",
            "short",
            Query("taxon_edge_security_files_unusable", "edge {{instance}} {{what}}"),
            Query("taxon_cloud_security_files_unusable", "cloud {{instance}} {{what}}"),
        ),
        curves(
            "Processor",
            "Cores that each process uses.",
            "short",
            Query('rate(process_cpu_seconds_total{job=~"taxon-.*"}[5m])', "{{job}} {{instance}}"),
        ),
        curves(
            "Memory",
            "Resident, of each process.",
            "bytes",
            Query('process_resident_memory_bytes{job=~"taxon-.*"}', "{{job}} {{instance}}"),
        ),
        curves(
            "Bounded stores of the cloud",
            "How full: the journal on disk, recent results in memory.",
            "percentunit",
            Query("taxon_cloud_journal_bytes / taxon_cloud_journal_limit_bytes", "{{instance}} journal"),
            Query("taxon_cloud_recent_bytes / taxon_cloud_recent_limit_bytes", "{{instance}} recent"),
        ),
        curves(
            "The wall",
            "Messages a second, and what pages did not get.",
            A_SECOND,
            Query("sum by (kind) (rate(taxon_cloud_wall_sent_messages_total[5m]))", "sent {{kind}}"),
            Query("sum by (reason) (rate(taxon_cloud_wall_dropped_total[5m]))", "{{reason}}"),
        ),
    ):
        board = board.with_panel(panel)
    return board
