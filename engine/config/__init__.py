"""What runs do: settings of every task and model, checked whole before anything starts. Knows nothing but errors."""

from engine.config.run_config import BasisSettings, LandSettings, RunConfig, TableSettings

__all__ = ["BasisSettings", "LandSettings", "RunConfig", "TableSettings"]
