"""What all tests share: the settings of hypothesis, one thread a process, and which process runs what."""

import os

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from engine.compute import use_thread_policy
from tests.support.shared import MadeOnce, made_once_in

# The same examples every time and no clock: these machines are shared, and a slow one is not a fault.
settings.register_profile(
    "harmonia", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("harmonia")

# The runs of tests are what is waited for; beside other tests those that give way would take minutes.
os.environ.setdefault("HARMONIA_WORKER_NICE", "0")

# As the server runs: two threads of torch beside another process cost more than they bring.
use_thread_policy()

LONGEST = (
    "tests/browser/test_train_page.py",
    "tests/engine/test_sst_task.py",
    "tests/browser/",
    "tests/engine/test_expert_task.py",
    "tests/engine/test_ddp.py",
    "tests/faults/",
    "tests/engine/test_query_reconstruct.py",
    "tests/engine/",
)
"""What begins first, so that no process is left alone with it at the end."""


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """``made_once(name, make)``: a folder that ``make`` fills once for all processes of this session."""
    return made_once_in(tmp_path_factory)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        ranks = (number for number, prefix in enumerate(LONGEST) if item.nodeid.startswith(prefix))
        return next(ranks, len(LONGEST))

    items.sort(key=rank)


class Scheduler(LoadScopeScheduling):
    """A file stays together, for what its tests share; the tests of faults share nothing but a server and spread."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return nodeid if nodeid.startswith("tests/faults/") and file != "tests/faults/test_guard.py" else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduler | None:
    """Files in our order, each to the process that is free first (with ``--dist loadscope``)."""
    if config.getoption("dist") != "loadscope":
        return None
    config.option.loadscopereorder = False
    return Scheduler(config, log)
