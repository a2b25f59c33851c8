"""Configurations of runs: the settings of every task and model, validated before a run starts."""

# pyright: reportUnusedImport=false

from engine.config.run_config import BasisSettings, LandSettings, RunConfig, TableSettings
