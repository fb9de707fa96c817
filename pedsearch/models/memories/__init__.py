"""Memories: buffers that losses compare with, each changed by one named method."""

from .oim_memory import OIMMemory

__all__ = ['OIMMemory']
