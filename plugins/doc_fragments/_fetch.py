# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that says how images are fetched."""

from __future__ import annotations


class ModuleDocFragment:
    """The option that says how images are fetched."""

    DOCUMENTATION = r"""
options:
  fetch:
    description:
      - How images are fetched whose descriptor is a URL. Proxies are taken from the environment, as
        M(ansible.builtin.get_url) does.
    type: dict
    suboptions:
      username:
        description:
          - The user for the server's login.
        type: str
      password:
        description:
          - The password for the server's login.
        type: str
      headers:
        description:
          - More headers of the requests. They may hold secrets, and are not shown.
        type: dict
      validate_certs:
        description:
          - Whether the server's certificate must be valid.
        type: bool
        default: true
      ca_path:
        description:
          - The path of a file with certificates of authorities to trust.
        type: path
      client_cert:
        description:
          - The path of a PEM file with the client's certificate.
        type: path
      client_key:
        description:
          - The path of a PEM file with the client's key, if that is in a file of its own.
        type: path
      use_proxy:
        description:
          - Whether the proxies of the environment are used.
        type: bool
        default: true
      force_basic_auth:
        description:
          - Whether the login is sent with the first request already.
        type: bool
        default: false
      timeout:
        description:
          - How many seconds a server may be silent.
        type: int
        default: 10
      http_agent:
        description:
          - How the requests introduce themselves.
        type: str
        default: ansible-httpget
      retries:
        description:
          - How often a transfer that broke is taken up again before it has made any progress.
        type: int
        default: 5
"""
