# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx builds the site; script/docs puts its pages together."""

from __future__ import annotations

project = "virt.image"
author = copyright = "virt.image contributors"
html_title = "virt.image"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = "index"
# All that is written with an underscore or a backquote in a plugin's documentation is meant so.
default_role = "any"
nitpicky = True
nitpick_ignore_regex = [
    # The documentation of others, which is not at hand: builds need no network.
    ("any|ref|std:ref", r"ansible_collections\.ansible\.builtin\..*"),
]

# Titles are link targets, as on a git forge.
myst_heading_anchors = 3

html_theme = "furo"
# Nothing is fetched from elsewhere: neither for the build, nor by a reader's browser.
html_static_path = []
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": False}
antsibull_ext_color_scheme = "default-autodark"
highlight_language = "yaml+jinja"
smartquotes = False
