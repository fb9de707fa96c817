# The default runtime for models that take their steps themselves.
_base_ = 'default_runtime.py'
model_wrapper_cfg = dict(_delete_=True, type='pedsearch.ManualDataParallel')  # mmengine asks for the scope here
