"""The selector of a trained model: the one that comes with us, and all trainings."""

from __future__ import annotations

from typing import Any

from engine.queries.reconstruct import PRETRAINED
from explorer.registry import REGISTRY
from explorer.task_names import created_text
from explorer.widgets import controls


def model_choice(model: Any) -> Any:
    """A selector of the parameter ``run`` of a view-model, the newest training first; it follows the list of runs."""

    def offered() -> dict[str, str]:
        names = {"Pretrained, small": PRETRAINED}
        for record in sorted(REGISTRY.records.values(), key=lambda record: record.id, reverse=True):
            if record.task == "sst":
                created = created_text(record, seconds=True)
                names[f"{record.name or 'Training'} · {created} · {record.state}"] = record.id
        if model.run not in names.values():
            names[model.run] = model.run
        return names

    chosen = controls.select(model.param.run, "Model", offered())

    def renew(*_: object) -> None:
        names = offered()
        if names != chosen.options:
            controls.offer(chosen, names, model.run)

    REGISTRY.subscribe(renew)
    model.param.watch(renew, "run")
    return chosen
