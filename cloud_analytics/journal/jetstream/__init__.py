"""What the replicas of one cloud share through NATS JetStream: see docs/scaling.md.

    backing (ties) = link (connection) + reader, tail (streams, read in order) + stream_log, appender (frames) + members (who lives)
                     + cameras (who gives what) + wish_store (who wants what); names and messages are how all of it is written

Imported only by a cloud service that is told `--bus nats://...`: nothing else needs the package `nats-py`.
"""
