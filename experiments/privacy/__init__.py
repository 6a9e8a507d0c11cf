"""Measure what a stolen bitstream reveals: the best pixel decoder that can be trained on it here, beside its controls.

    pictures --bitstreams--> what the thief sees --attack--> pictures again --judge--> PSNR, SSIM
                    |                                            beside: no bits, another's bits, no rounding, JPEG of as many bytes
                    `--fingerprint--> how often a gallery's right picture is found

Law: the attacker has the public bundle, bitstreams, and pictures of other rooms; test pictures are judged once, after every choice.
"""
