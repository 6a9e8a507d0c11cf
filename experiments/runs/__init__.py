"""One experiment's set-up, training runs and measurements."""
