"""``harmonia train``: a configuration for a source, planned and in words, or for more epochs of a run."""

from __future__ import annotations

from engine.config.months import span_text
from engine.config.run_config import RunConfig
from engine.config.sst import DemoSource, FileSource, SSTSettings
from engine.errors import ChoiceError, DataError
from engine.queries.cache import Progress
from engine.queries.server_files import any_path, checked_path
from engine.queries.train.plans import Plan, propose
from engine.runs import Run


def proposed_config(source: str, size: str, minutes: float, progress: Progress) -> tuple[RunConfig, str]:
    """The configuration proposed for a path, or for ``"demo"``, and the plan in words.

    Raises:
        ChoiceError: there is no such size.
        DataError: nothing can be trained on the source.
    """
    with any_path():
        chosen = DemoSource() if source == "demo" else FileSource(path=checked_path(source))
        proposal = propose(chosen, size, minutes, progress=progress)
    if proposal.refusal is not None:
        remedies = "; ".join(remedy.label for remedy in proposal.refusal.remedies)
        raise DataError(proposal.refusal.text, source, remedies)
    assert proposal.settings is not None
    assert proposal.plan is not None
    return RunConfig(settings=proposal.settings), plan_text(proposal.plan, proposal.notes)


def plan_text(plan: Plan, notes: tuple[str, ...]) -> str:
    """A plan as lines: splits, gaps, windows, epochs, cost, notes."""
    lines = [
        f"{split.name:<12} {span_text((split.first, split.last)):<22} {split.num_observed} months"
        for split in plan.splits
    ]
    lines += [f"{'gap':<12} {span_text((gap.first, gap.last)):<22} {gap.days} days" for gap in plan.gaps]
    settings = plan.settings
    rows, columns = settings.window
    lines.append(f"{'windows':<12} {len(plan.windows)} of {rows} × {columns} cells")
    lines.append(f"{'epochs':<12} {settings.epochs} of {settings.samples} samples")
    if plan.cost is not None:
        lines.append(f"{'cost':<12} {plan.cost.text}")
    return "\n".join([*lines, *notes])


def continued_config(run: Run, num_epochs: int) -> RunConfig:
    """The configuration of a run that goes on for ``num_epochs`` more from where a finished one ended.

    Weights, optimiser and best model are taken over; the learning rate goes on along the schedule of all epochs
    together, so with the cosine it begins above zero again.

    Raises:
        ChoiceError: the run is no training of the task ``sst``, or less than one epoch is asked for.
    """
    config = run.config
    if not isinstance(config.settings, SSTSettings):
        raise ChoiceError(f"the task is {config.task!r}", run.id, "choose a run of the task 'sst'")
    if num_epochs < 1:
        raise ChoiceError(f"{num_epochs} further epochs are none", run.id, "choose 1 or more")
    epochs = (run.record.epoch or config.settings.epochs) + num_epochs
    settings = SSTSettings.model_validate(dict(config.settings) | {"epochs": epochs, "continues": run.id})
    return config.model_copy(update={"settings": settings})
