"""Loaded by Python at its start when this folder is on PYTHONPATH: makes the training of a trial a matter of a moment.

The score falls with every epoch towards what ``model.width`` and ``learning_rate`` alone decide. Width
24 fails, width 20 dies the first time, and width 12 whenever it works. Width 4 takes
``HARMONIA_PACE`` seconds an epoch.
"""

import os
import signal
import sys
import time

if "engine.runs.worker" in sys.orig_argv:
    from engine.errors import DataError
    from engine.runs import tasks

    def learn(settings, run):
        width = settings.model.width
        if width == 24:
            raise DataError("there is no such ocean", "source", "choose another")
        first = 0
        if kept := run.restore():
            first = kept.metadata["epoch"]
        for epoch in range(first + 1, settings.epochs + 1):
            score = 1.0 / width + settings.learning_rate + 1.0 / epoch
            run.report({"epoch": epoch, "val_mae": score}, epoch / settings.epochs, epoch=epoch, best=score)
            run.checkpoint({}, {"epoch": epoch})
            dies = width == 12 or (width == 20 and not kept)
            if epoch == first + 2 and dies:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(float(os.environ.get("HARMONIA_PACE", "0.02")) if width == 4 else 0.02)

    tasks.TASKS["sst"] = "sitecustomize:learn"
