"""Pictures of what models find."""

from .activation_map import draw_activation_maps, grad_cam
from .embedding_map import draw_embedding_map
from .ranked_dump import draw_dump, read_dump
from .reid_ranking import draw_reid_rankings
from .search_ranking import draw_ranked_galleries
from .sheet import CROP_SIZE, SCENE_SIZE, Answer, RankedQuery, View, draw_sheet
from .text_card import text_card

__all__ = [
    'CROP_SIZE', 'SCENE_SIZE', 'Answer', 'RankedQuery', 'View', 'draw_activation_maps', 'draw_dump',
    'draw_embedding_map', 'draw_ranked_galleries', 'draw_reid_rankings', 'draw_sheet', 'grad_cam', 'read_dump',
    'text_card'
]
