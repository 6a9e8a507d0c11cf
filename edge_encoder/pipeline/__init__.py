"""Takes accepted pictures through decoding, analysis and coding to the spool."""
