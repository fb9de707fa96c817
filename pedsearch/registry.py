"""Registries of pedsearch: children of mmengine's roots, scope ``pedsearch``.

Types of other libraries are named with their scope, for example ``mmdet.RPNHead``. Every node that a Runner touches is
declared here; ``locations`` names the packages in which pedsearch registers classes of that kind.
"""

from mmengine import registry as root


def _child(name: str, parent: root.Registry, locations: tuple[str, ...] = ()) -> root.Registry:
    # A node of a known package without any location makes mmengine look for `pedsearch.utils`.
    places = [f'pedsearch.{location}' for location in locations] or ['pedsearch']
    return root.Registry(name, parent=parent, scope='pedsearch', locations=places)


DATASETS = _child('dataset', root.DATASETS, ('datasets',))
DATA_SAMPLERS = _child('data sampler', root.DATA_SAMPLERS, ('datasets',))
TRANSFORMS = _child('transform', root.TRANSFORMS, ('datasets',))
MODELS = _child('model', root.MODELS, ('models',))
TASK_UTILS = _child('task util', root.TASK_UTILS, ('clustering', 'mesh', 'models'))
METRICS = _child('metric', root.METRICS, ('evaluation',))
HOOKS = _child('hook', root.HOOKS, ('engine',))
LOOPS = _child('loop', root.LOOPS, ('engine',))
VISUALIZERS = _child('visualizer', root.VISUALIZERS)
RUNNERS = _child('runner', root.RUNNERS)
RUNNER_CONSTRUCTORS = _child('runner constructor', root.RUNNER_CONSTRUCTORS)
MODEL_WRAPPERS = _child('model wrapper', root.MODEL_WRAPPERS, ('engine',))
WEIGHT_INITIALIZERS = _child('weight initializer', root.WEIGHT_INITIALIZERS)
OPTIMIZERS = _child('optimizer', root.OPTIMIZERS)
OPTIM_WRAPPERS = _child('optim wrapper', root.OPTIM_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child('optimizer wrapper constructor', root.OPTIM_WRAPPER_CONSTRUCTORS, ('engine',))
PARAM_SCHEDULERS = _child('parameter scheduler', root.PARAM_SCHEDULERS)
EVALUATOR = _child('evaluator', root.EVALUATOR)
FUNCTIONS = _child('function', root.FUNCTIONS)
STRATEGIES = _child('strategy', root.STRATEGIES)
VISBACKENDS = _child('vis_backend', root.VISBACKENDS)
LOG_PROCESSORS = _child('log_processor', root.LOG_PROCESSORS)
INFERENCERS = _child('inferencer', root.INFERENCERS, ('apis',))
