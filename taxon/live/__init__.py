"""Parts of the commands that run until they are stopped: the stop, counts, the screen, saved results, and the demo."""
