"""One site of the digits job: takes the model, trains it on this site's digits, sends it back."""

from __future__ import annotations

import network

import anabranch.client as flare


def main() -> None:
    """Serve the tasks of the job until it is over."""
    flare.init()
    site = flare.get_site_name()
    images, labels, test_images, test_labels = network.load()
    images, labels = network.share_of(site, images, labels)
    while flare.is_running():
        received = flare.receive()
        metrics = network.evaluate(received.params, test_images, test_labels)
        print(f"round {received.current_round}: accuracy {metrics['accuracy']:.3f}, loss {metrics['loss']:.3f}")
        if flare.is_train():
            # the seed depends on site and round alone: a round that is done again gives the same bytes
            seed = 1000 * sorted(network.LABELS).index(site) + received.current_round
            params = network.train(received.params, images, labels, seed)
            meta = {"NUM_STEPS_CURRENT_ROUND": len(labels)}
            flare.send(flare.FLModel(params=params, metrics=metrics, meta=meta))
        else:
            flare.send(flare.FLModel(metrics=metrics))


if __name__ == "__main__":
    main()
