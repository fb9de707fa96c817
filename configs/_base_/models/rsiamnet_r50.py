# The trunk of OIM and NAE with an instance branch: a build of our own, see configs/rsiamnet/README.md.
_base_ = 'c4_r50.py'

norm_cfg = dict(type='BN', requires_grad=False)  # frozen: scenes and crops have other statistics
model = dict(
    type='SiamesePersonSearchDetector',
    crop_size=(224, 96),
    backbone=dict(frozen_stages=1, norm_cfg=norm_cfg, norm_eval=True),
    roi_head=dict(
        type='RSiamNetRoIHead',
        shared_head=dict(norm_cfg=norm_cfg, norm_eval=True),
        memory=dict(_delete_=True, type='InstanceMemory', num_slots=0, temperature=0.05, momentum=0.2, top_percent=1.0,
                    eps=0.0)),
    test_cfg=dict(rcnn=dict(score_thr=0.05)))
