_base_ = [
    '../_base_/models/seqnet_r50.py', '../_base_/datasets/prw.py', '../_base_/schedules/search_prw.py',
    '../_base_/default_runtime.py'
]

model = dict(roi_head=dict(memory=dict(num_ids=483, queue_size=500)))
