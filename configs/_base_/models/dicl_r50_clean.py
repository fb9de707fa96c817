# DICL with its oddities mended, one named switch each; docs/deviations.md says what they change.
_base_ = 'dicl_r50.py'

model = dict(
    occlusion=dict(stop_at_small=False),
    neck=dict(offset_init='zero'),
    roi_head=dict(
        memory=dict(eps=0.0), skip_single_label=False, unit_mean=True, consistency_reduction='row'),
    test_cfg=dict(rcnn=dict(normalize_embeds=True, query='gt_box')))
