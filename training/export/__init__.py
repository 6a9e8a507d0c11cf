"""From trained networks to a released bundle: integer tables, graphs, the manifest."""
