"""What edge, cloud, clients and training must agree on. It is internal: programs import `taxon`.

    errors, wire, telemetry < codec, contract, transport < sources, model < server        left is imported by right

Law: nothing here imports a service, the command or training (tests/unit/test_house.py).
"""
