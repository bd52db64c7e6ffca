"""Measurements as ratios: each figure against a reference in the same run."""
