"""Edge and cloud for as long as you like at a steady pace, while cameras and subscribers come and go: nothing grows.

    python -m tests.trials.soak --seconds 3600 [--fps 10] [--seed 7] [--json docs/soak.json]        as `make soak DURATION=3600` does

Law: after the warm-up the least-squares line through each service's memory, descriptors and threads rises by no more than a small
allowance (`report.ALLOWED_SHARE` says why so much), and every frame that was answered `coded` has its result.
"""
