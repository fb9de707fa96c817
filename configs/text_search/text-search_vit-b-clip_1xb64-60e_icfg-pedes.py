_base_ = [
    '../_base_/models/text_search_vit_b_clip.py', '../_base_/datasets/icfg_pedes.py',
    '../_base_/schedules/text_search_60e.py', '../_base_/default_runtime.py'
]
model = dict(num_ids=3102)
load_from = 'clip_vit-b-16.pth'  # of tools/model_converters/clip_encoder.py, or of export_encoder.py
custom_hooks = []
