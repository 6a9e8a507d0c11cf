"""The sets of tasks, networks and data that an experiment runs on."""
