# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers out of the bytes of a header, which may be cut off."""

from __future__ import annotations

import struct

from .errors import ImageError

# QEMU reads a table of this size whole when it opens a file (block/qcow2.h); other formats let it read far more.
MAX_TABLE = 32 * 1024 * 1024


def unpack(layout: str, data: bytes, offset: int, where: str) -> tuple:
    """Return the values of a struct layout at an offset."""
    try:
        return struct.unpack_from(layout, data, offset)
    except struct.error:
        raise ImageError("ends within its header", where) from None
