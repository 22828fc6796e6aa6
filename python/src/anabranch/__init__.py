"""Federated learning over Apache Kafka: the training side.

A training script talks to the agent of its site through :mod:`anabranch.client`::

    import anabranch.client as flare

    flare.init()
    while flare.is_running():
        model = flare.receive()
        ...
        flare.send(flare.FLModel(params=trained, metrics={"loss": loss}))
"""

from anabranch._version import __version__

__all__ = ["__version__"]
