"""Names of clusterings are names of folders."""

from pathlib import Path

from helpers.properties import quick
from hypothesis import given
from hypothesis import strategies as st

from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError


@quick
@given(text=st.text(max_size=40))
def test_any_name_of_clusters_is_one_folder_or_refused(text):
    try:
        name = ClusterOptions(label=text).name
    except ConfigError:
        return
    assert Path(name).name == name
    assert name not in (".", "..")
