"""Measurements of re_dms, not shipped with it: `scripts/bench`."""
