"""Measurements as ratios: each figure against a reference that runs beside it, in one run."""
