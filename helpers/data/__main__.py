"""Make all data sets at once, for a cache that a class shares: ``-m helpers.data``."""

from helpers.data import _ready, _sets, describe

for name in _sets.STORES:
    _ready(name)
describe(where=True)
