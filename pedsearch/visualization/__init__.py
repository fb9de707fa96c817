"""Pictures of what models find."""

from .sheet import Answer, RankedQuery, View, draw_ranked_galleries, draw_sheet

__all__ = ['Answer', 'RankedQuery', 'View', 'draw_ranked_galleries', 'draw_sheet']
