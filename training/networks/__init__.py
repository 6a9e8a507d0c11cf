"""Networks of the paper in torch: backbone, task networks (h_t and their decoders), and the codebook-hyperprior codec."""
