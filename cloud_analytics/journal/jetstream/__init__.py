"""What the replicas of one cloud share through NATS JetStream; docs/scaling.md describes it.

    link: the connection            reader, tail: streams, read in order
    stream_log, appender: frames    cameras: which edge gives which camera    wish_store: who wants what
    members: which replicas live    names, messages: how all of it is written
    storage: ties these together

Law: only a cloud service with `--bus nats://...` imports this, so that nothing else needs the package `nats-py`.
"""
