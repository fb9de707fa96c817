import logging

import pytest
from mmengine.logging import MMLogger


@pytest.fixture(autouse=True, scope='session')
def quiet_hosts():
    """mmengine tells how it initialised each parameter; only what goes wrong is of interest here."""
    MMLogger.get_current_instance().setLevel(logging.WARNING)
