"""Configuration: TOML file, environment and command line become `re_dms.settings.Settings`."""

from re_dms.config.load import Half, Loaded, load

__all__ = ["Half", "Loaded", "load"]
