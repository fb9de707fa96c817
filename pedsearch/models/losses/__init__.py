"""Losses as pure functions."""

from .reduction import mean_across_processes

__all__ = ['mean_across_processes']
