_base_ = './attributes_r50_1xb64-30e_pa100k.py'
custom_hooks = [dict(type='PositiveRatesHook'), dict(type='ResizingEMAHook', momentum=0.0002)]
