"""What the commands that run live share: when to stop, what to count, how to show it, and the demo's processes."""
