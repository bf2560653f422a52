# Copyright: virt.image contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The headers of qcow2 and of the older qcow: what they need, and what QEMU would refuse or pay for.

Sources: QEMU's docs/interop/qcow2.txt, block/qcow2.c (qcow2_do_open, qcow2_read_extensions) and block/qcow.c.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from .binary import MAX_TABLE, unpack
from .errors import ImageError

ENCRYPTED = "is encrypted, and has no one here to give it its secret; qemu-img convert makes one that is not"
DATA_FILE_WORDS = "is a qcow2 that keeps its data in another file; one single file was expected"
MAX_BACKING_NAME = 1023
# Incompatible features. A dirty file is taken: its reference counts may be wrong, which matters to who writes to it,
# and QEMU mends them when it opens it for that; reading needs none. Running guests have dirty files (lazy_refcounts).
DIRTY, CORRUPT, DATA_FILE, COMPRESSION, EXTENDED_L2 = 1, 2, 4, 8, 16
KNOWN = DIRTY | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED_L2
RAW_DATA_FILE = 2
# Header extensions, and the bounds of block/qcow2.h.
END, BACKING_FORMAT, CRYPTO, BITMAPS, DATA_FILE_NAME = 0, 0xE2792ACA, 0x0537BE77, 0x23852875, 0x44415441
MAX_REFCOUNT_TABLE = 8 * 1024 * 1024
# QEMU takes 65536, and reads each by itself whenever it opens the file: 7 s.
MAX_SNAPSHOTS, SNAPSHOT_BYTES = 4096, 40
MAX_BITMAPS, MAX_BITMAP_DIRECTORY = 65535, 65535 * 1024
FARTHEST = 2**63 - 1


class _Qcow2(NamedTuple):
    """The fields of the header from byte 8 on."""

    backing_offset: int
    backing_bytes: int
    cluster_bits: int
    capacity: int
    encryption: int
    l1_entries: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int
    # From here on those of version 3.
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    header_bytes: int = 72
    compression: int = 0

    @property
    def cluster(self) -> int:
        return 1 << self.cluster_bits


def read_qcow(head: bytes, where: str) -> tuple[int, Optional[str]]:
    """Return the virtual size of a qcow (version 1) and the file that it builds on."""
    offset, length, _time, capacity, cluster_bits, l2_bits, _pad, encryption, _l1 = unpack(">QIIQBBHIQ", head, 8, where)
    if encryption:
        raise ImageError(ENCRYPTED, where)
    if not 9 <= cluster_bits <= 16 or not 6 <= l2_bits <= 13:
        raise ImageError(f"is a qcow with clusters of 2^{cluster_bits} bytes and tables of 2^{l2_bits} entries", where)
    if capacity < 2 or (capacity >> cluster_bits + l2_bits) * 8 >= MAX_TABLE:
        raise ImageError(f"is a qcow of {capacity} bytes, which QEMU has no table for", where)
    return capacity, _backing(head, offset, length, MAX_BACKING_NAME, where)


def read_qcow2(head: bytes, where: str) -> tuple[int, Optional[str], Optional[str], int]:
    """Return a qcow2's virtual size, the file that it builds on and its format where it is written, and its snapshots."""
    told = _fields(head, where)
    for mistake in (*_feature_mistakes(told), *_table_mistakes(told)):
        raise ImageError(mistake, where)
    room = min(MAX_BACKING_NAME, told.cluster - told.backing_offset)
    backing = _backing(head, told.backing_offset, told.backing_bytes, room, where)
    format_ = None
    for kind, content in _extensions(head, told, where):
        _check_extension(kind, content, told, where)
        if kind == BACKING_FORMAT:
            format_ = content.decode("utf-8", "surrogateescape")
    return told.capacity, backing, format_ if backing else None, told.snapshots


def _fields(head: bytes, where: str) -> _Qcow2:
    """Return a header's fields, once they are those of a version and a size of clusters that we know."""
    (version,) = unpack(">I", head, 4, where)
    if version not in (2, 3):
        raise ImageError(f"is qcow2 of version {version}; known are 2 and 3", where)
    told = _Qcow2(*unpack(">QIIQIIQQIIQ", head, 8, where))
    if not 9 <= told.cluster_bits <= 21:
        raise ImageError(f"has clusters of 2^{told.cluster_bits} bytes; qcow2 has 2^9 to 2^21", where)
    if version == 2:
        return told
    told = _Qcow2(*told[:11], *unpack(">QQQII", head, 72, where))
    if not 104 <= told.header_bytes <= told.cluster:
        raise ImageError(f"has a header of {told.header_bytes} bytes; 104 to those of a cluster were expected", where)
    # Files older than the field have the only type that there was.
    return told._replace(compression=unpack("B", head, 104, where)[0]) if told.header_bytes > 104 else told


def _feature_mistakes(told: _Qcow2):
    """Yield what is wrong with what a file needs of its reader, worst first."""
    if told.incompatible & DATA_FILE or told.autoclear & RAW_DATA_FILE:
        yield DATA_FILE_WORDS
    if told.incompatible & ~KNOWN:
        yield f"has unknown incompatible qcow2 features ({told.incompatible & ~KNOWN:#x})"
    if told.incompatible & CORRUPT:
        yield "is marked as corrupt; qemu-img check -r all repairs what can be repaired"
    if told.encryption:
        yield ENCRYPTED
    if told.compression not in (0, 1) or bool(told.compression) != bool(told.incompatible & COMPRESSION):
        yield f"is compressed in an unknown way ({told.compression}); known are zlib (0) and zstd (1, with its feature)"
    if told.incompatible & EXTENDED_L2 and told.cluster_bits < 14:
        yield f"has subclusters in clusters of 2^{told.cluster_bits} bytes; they need 2^14"
    if told.refcount_order > 6:
        yield f"has reference counts of 2^{told.refcount_order} bits; at most 2^6 are known"


def _table_mistakes(told: _Qcow2):
    """Yield what is wrong with the tables that QEMU reads when it opens a file."""
    if told.backing_offset > told.cluster:
        yield "has a backing file name out of its header's bounds"
    if not told.refcount_clusters:
        yield "has no table of reference counts"
    for name, offset, size, largest in (
        ("a reference count table", told.refcount_offset, told.refcount_clusters * told.cluster, MAX_REFCOUNT_TABLE),
        ("a snapshot table", told.snapshots_offset, told.snapshots * SNAPSHOT_BYTES, MAX_SNAPSHOTS * SNAPSHOT_BYTES),
        ("an L1 table", told.l1_offset, told.l1_entries * 8, MAX_TABLE),
    ):
        if size > largest:
            yield f"has {name} of {size} bytes; at most {largest} are taken"
        if offset % told.cluster or offset + size > FARTHEST:
            yield f"has {name} at {offset}, where no cluster begins"
    entry_bits = told.cluster_bits * 2 - (4 if told.incompatible & EXTENDED_L2 else 3)
    if told.l1_entries << entry_bits < told.capacity:
        yield f"has an L1 table of {told.l1_entries} entries, too few for a disk of {told.capacity} bytes"


def _extensions(head: bytes, told: _Qcow2, where: str):
    """Yield the header extensions: the number of a kind, and the content."""
    offset, end = told.header_bytes, told.backing_offset or told.cluster
    while offset < end:
        kind, length = unpack(">II", head, offset, where)
        offset += 8
        if offset > end or length > end - offset or kind != END and offset + length > len(head):
            raise ImageError("has a header extension out of its header's bounds", where)
        if kind == END:
            return
        yield kind, head[offset : offset + length]
        offset += -(-length // 8) * 8


def _check_extension(kind: int, content: bytes, told: _Qcow2, where: str) -> None:
    if kind == DATA_FILE_NAME:
        raise ImageError(DATA_FILE_WORDS, where)
    if kind == CRYPTO:
        raise ImageError(ENCRYPTED, where)
    if kind == BACKING_FORMAT and len(content) > 15:
        raise ImageError("has a backing format whose name is too long for one", where)
    if kind == BITMAPS:
        if len(content) != 24:
            raise ImageError(f"has a header extension for bitmaps of {len(content)} bytes; 24 were expected", where)
        count, reserved, size, offset = unpack(">IIQQ", content, 0, where)
        if not 0 < count <= MAX_BITMAPS or size > MAX_BITMAP_DIRECTORY or reserved or offset % told.cluster:
            raise ImageError(f"has {count} bitmaps in a directory of {size} bytes, which is out of bounds", where)


def _backing(head: bytes, offset: int, length: int, largest: int, where: str) -> Optional[str]:
    if not offset or not length:
        return None
    name = head[offset : offset + length]
    if length > largest or len(name) != length:
        raise ImageError("has a backing file name out of its header's bounds", where)
    return name.decode("utf-8", "surrogateescape")
