"""A trainer whose result is known: each site adds its number times the round's to every parameter.

Tests steer it by files in the folder that ANB_GATES names: while hold-SITE-ROUND is there, the trainer writes its
process id to at-SITE-ROUND and waits; tell-SITE-ROUND says what to do instead of the work.
"""

import math
import os
import sys
import time
from pathlib import Path

import numpy as np

import anabranch.client as flare


def stand_at_gate(gates: Path, site: str, number: int) -> str:
    hold = gates / f"hold-{site}-{number}"
    if hold.exists():
        (gates / f"at-{site}-{number}").write_text(f"{os.getpid()}\n")
    while hold.exists():
        time.sleep(0.005)
    tell = gates / f"tell-{site}-{number}"
    return tell.read_text() if tell.exists() else ""


def main() -> None:
    gates = Path(os.environ["ANB_GATES"])
    flare.init()
    site = flare.get_site_name()
    step = np.float32(int(site.rpartition("-")[2]))
    while flare.is_running():
        model = flare.receive()
        if flare.is_evaluate():
            flare.send(flare.FLModel(metrics={"seen": float(model.params["w"][0])}))
            continue
        number = model.current_round
        print(f"{site} trains round {number}", flush=True)
        what = stand_at_gate(gates, site, number)
        params = {name: value + step * np.float32(number + 1) for name, value in model.params.items()}
        weight = float(step)
        if what == "exit":
            print("the disk of this site is broken", file=sys.stderr, flush=True)
            sys.exit(3)
        if what == "nan":
            weight = math.nan
        if what == "zero":
            weight = 0.0
        if what == "layout":
            params["other"] = np.zeros(3, dtype=np.float32)
        metrics = {"seen": float(model.params["w"][0])}
        flare.send(flare.FLModel(params=params, metrics=metrics, meta={"NUM_STEPS_CURRENT_ROUND": weight}))


main()
