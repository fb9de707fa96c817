"""Installation of pedsearch; `pip install .` compiles nothing."""

import runpy
import shutil
import sys
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def requirements(name: str) -> list[str]:
    lines = (HERE / 'requirements' / f'{name}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


OPTIONAL = {requirement.split('>')[0]: requirement for requirement in requirements('optional')}
EXTRAS = {
    'mesh': [OPTIONAL['anny'], OPTIONAL['h5py']],
    'smpl': [OPTIONAL['smplx']],
    'faiss': [OPTIONAL['faiss-cpu']],
    'infomap': [OPTIONAL['infomap']],
    'text': [OPTIONAL['tokenizers']],
    'views': [OPTIONAL['torchmetrics']],
    'log': [OPTIONAL['tensorboard'], OPTIONAL['wandb']],
    'tests': requirements('tests') + [
        OPTIONAL[name] for name in ('anny', 'faiss-cpu', 'h5py', 'tokenizers', 'torchmetrics')],
    'docs': requirements('docs'),
}


def add_mim_extension() -> None:
    """Put configs, tools and the model index into the package, where `mim` looks for them: as links in an editable
    installation, as copies in a wheel.
    """
    editable = {'develop', 'editable_wheel'} & set(sys.argv)
    if not editable and not {'sdist', 'bdist_wheel'} & set(sys.argv):
        return
    target = HERE / 'pedsearch' / '.mim'
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in ('configs', 'tools', 'model-index.yml'):
        source = HERE / name
        if not source.exists():
            continue
        if editable:
            (target / name).symlink_to(source)
        else:
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target / name)


add_mim_extension()
setup(
    name='pedsearch',
    version=runpy.run_path(str(HERE / 'pedsearch' / 'version.py'))['__version__'],
    description='Pedestrian detection, person search, re-identification and pre-training on the OpenMMLab stack',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['pedsearch', 'pedsearch.*']),
    package_data={'pedsearch': ['.mim/**/*', 'ops/csrc/*']},
    install_requires=requirements('runtime'),
    extras_require={**EXTRAS, 'all': sorted({requirement for name, extra in EXTRAS.items() if name != 'infomap'
                                    for requirement in extra})},
)
