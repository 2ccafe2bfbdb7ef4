"""Every shipped clustering method keeps the contract of clustering methods."""

import pytest

from latentlab import plugins
from latentlab.clustering.clusterer import Clusterer
from latentlab.clustering.conformance import check_clusterer

pytestmark = pytest.mark.run  # each check fits a method several times


@pytest.mark.parametrize("method", plugins.names("clustering"))
def test_every_method_keeps_the_contract(method):
    check_clusterer(Clusterer.named(method))
