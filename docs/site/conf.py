# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx builds the site; script/docs puts its pages together."""

from __future__ import annotations

import pkgutil
import re

from docutils import nodes
from sphinx.addnodes import toctree

project = "virt.image"
author = copyright = "virt.image contributors"
html_title = "virt.image"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = "index"
# All that is written with an underscore or a backquote in a plugin's documentation is meant so.
default_role = "any"
nitpicky = True

# Titles are link targets, as on a git forge.
myst_heading_anchors = 3

html_theme = "furo"
# Nothing is fetched from elsewhere: neither for the build, nor by a reader's browser.
html_static_path = []
html_copy_source = False
html_show_sphinx = False


def colours(name):
    """Return the variables of a scheme of antsibull-docs, as the theme takes them."""
    return dict(re.findall(r"--([\w-]+):([^;}]+)", pkgutil.get_data("sphinx_antsibull_ext", f"{name}.css").decode()))


# The theme's, so that its switch between light and dark is also that of the tables.
antsibull_ext_color_scheme = "none"
html_theme_options = {
    "light_css_variables": colours("colors-default"),
    "dark_css_variables": colours("colors-default-dark"),
}
highlight_language = "yaml+jinja"
smartquotes = False

# The labels of Ansible's own documentation that antsibull-docs refers to, as a table: a build needs no network.
ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
# And of its plugins.
BUILTIN = "ansible_collections.ansible.builtin."


def refer_to_ansible(app, env, node, content):
    """Return a link to Ansible's documentation for one of its labels, plugins or variables, else None: then it is a warning."""
    target = node["reftarget"]
    page = LABELS.get(target)
    if target.startswith(BUILTIN):
        page = f"collections/ansible/builtin/{target.removeprefix(BUILTIN)}.html"
    if node["reftype"] == "envvar":
        # Those that are not this collection's own.
        page = f"reference_appendices/config.html#envvar-{target}"
    if page is None:
        return None
    return nodes.reference("", "", content, refuri=ANSIBLE + page, internal=False)


def short(page):
    """Return the name of a plugin's page for the menu: "guests module" for reference/guests_module."""
    name, _sign, kind = page.rpartition("/")[2].rpartition("_")
    return f"{name} {kind}"


def fit_in(app, doctree):
    """Make a page of antsibull-docs one of this site."""
    # The theme has a table of contents beside each page.
    for contents in [node for node in doctree.findall(nodes.topic) if "contents" in node["classes"]]:
        contents.parent.remove(contents)
        # Its entries are what the titles lead back to.
        for title in doctree.findall(nodes.title):
            title.attributes.pop("refid", None)
    if app.env.current_document.docname != "reference/index":
        return
    for tree in list(doctree.findall(toctree)):
        names = [name for _title, name in tree["entries"]]
        if names and names[0].startswith("reference/docsite/"):
            # The guides have a place of their own in the menu.
            section = tree
            while not isinstance(section, nodes.section):
                section = section.parent
            section.parent.remove(section)
        else:
            tree["entries"] = [(short(name), name) for name in names]


def setup(app):
    # Before Sphinx looks which pages there are below others.
    app.connect("doctree-read", fit_in, priority=400)
    app.connect("missing-reference", refer_to_ansible)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
