"""What the edge and the cloud must agree on: errors, tasks, geometry, the bundle, the bitstream, the entropy model.

It needs numpy and google-crc32c only, so that both services and the training code can import it:
`training -> shared`, `edge_encoder -> shared`, `cloud_analytics -> shared`, never the other way.
"""
