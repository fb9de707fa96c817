_base_ = [
    '../_base_/models/oim_r50.py', '../_base_/datasets/cuhk_sysu.py', '../_base_/schedules/search_20e.py',
    '../_base_/default_runtime.py'
]
