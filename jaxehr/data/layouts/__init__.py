"""Folders of tables as hospitals' databases distribute them: each .toml is a layout, which mimic3.toml explains."""

from jaxehr.data.layouts.layout import layouts as layouts
from jaxehr.data.layouts.layout import read_layout as read_layout
