# -*- coding: utf-8 -*-
"""Writes values-VERSION.json.gz: see README.md. Run it in this folder."""

from __future__ import print_function, unicode_literals

import base64
import collections
import gzip
import json
import os
import pickle
import struct
import sys
import tempfile

PYTHON2 = sys.version_info[0] == 2
try:
    import joblib
    import numpy as np
except ImportError:
    joblib = np = None


class Old:  # of Python 2: an instance without a class of its own
    pass


class New(object):
    def __init__(self, x):
        self.x = x


class Slots(object):
    __slots__ = ["x"]


class Made(object):
    def __reduce__(self):
        return (New, (1, "two"), {"x": 3}, iter([4]), iter([("five", 5)]))


def values():
    yield "none", None
    yield "bools", [True, False]
    yield "integers", [0, 1, -1, 255, 256, 65535, 65536, -129, 2**31 - 1, -2**31, 2**31, 2**63 - 1, -2**63, 2**63, -2**63 - 1, 2**200, -2**200]
    yield "floats", [0.0, -0.0, 1.5, -1e300, 5e-324, 0.1, float("inf"), float("-inf")]
    yield "text", ["", "a", "größe", "日本", "\U0001f333", "back\\slash \\u0041", "line\nnull\0return\r\x1a", "x" * 300]
    yield "bytes", [b"", b"a", bytes(bytearray(range(256))), b"x" * 300] if not PYTHON2 else [b"", b"a'\"\\\n\x01\xff"]
    if not PYTHON2:
        yield "bytearray", [bytearray(b""), bytearray(b"abc")]
        yield "sets", [set(), {1}, frozenset(["a"]), frozenset()]
        yield "ordered", collections.OrderedDict([("b", 1), ("a", 2)])
    yield "tuples", [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((), ((),))]
    yield "lists", [[], [1], [[]], list(range(1001))]
    yield "dict", {"a": 1}
    yield "dicts", [{}, {1: 2}, {(1, 2): {"a": []}}]
    shared = ["shared", 1.5]
    yield "shared", [shared, shared, (shared, shared)]
    yield "object", New({"y": (1, None)})
    yield "made", Made()
    slots = Slots()
    slots.x = 7
    yield "slots", slots
    yield "class", New
    if PYTHON2:
        old = Old()
        old.x = [1]
        yield "old", old
    if np is not None:
        for kind in ("f8", "f4", ">f8", ">f4", "i8", "i4", "i2", "i1", ">i8", ">i2", "u8", "u4", "u2", "u1", "?"):
            yield kind, np.array([[0, 1, 2], [3, 100, 127]], dtype=kind)
        yield "negative", np.array([-1, -128], "i1")
        yield "wide", np.array([-1, -(2**63)], "i8")
        yield "columns first", np.asfortranarray(np.arange(24.0).reshape(2, 3, 4))
        yield "empty", np.zeros((0, 3))
        yield "no dimensions", np.array(1.5)
        yield "names", np.array(["a", "größe", ""])
        yield "objects", np.array([["a", None], [1, (2,)]], dtype=object)
        yield "objects, columns first", np.asfortranarray(np.array([["a", "b", "c"], ["d", "e", "f"]], dtype=object))
        yield "records", np.array([(1, 2.5, 7), (-3, 4.5, 8)], dtype=[("a", "<i8"), ("b", ">f4"), ("größe", "u1")])
        aligned = np.dtype([("a", "u1"), ("b", "f8")], align=True)
        yield "aligned records", np.array([(1, 2.5), (3, 4.5)], dtype=aligned)
        yield "scalars", [np.float64(1.5), np.float32(0.1), np.int64(-7), np.uint8(200), np.bool_(True)]
        a = np.arange(3.0)
        yield "shared array", [a, a]
        yield "read only", np.frombuffer(b"\0\0\0\0\0\0\xf8?", dtype="<f8")


def show(v):
    """What a value is, as the Go test writes it."""
    if v is None:
        return "nil"
    if isinstance(v, bool):
        return str(v).lower()
    if np is not None:
        if isinstance(v, (np.bool_, np.integer, np.floating)):
            return show(v.item())
        if isinstance(v, np.ndarray):
            kind = "%s%d" % (v.dtype.kind, v.dtype.itemsize)
            if v.dtype.names:
                kind = "records (%s)" % ", ".join(v.dtype.names)
                body = " ".join(n + "=" + show(np.ascontiguousarray(v[n]).ravel().tolist()) for n in v.dtype.names)
            else:
                body = show(v.ravel().tolist())
            return "array %s %s %s" % (kind, list(v.shape), body)
    if isinstance(v, float):
        return base64.b16encode(struct.pack(">d", v)).decode().lower() + "f"
    if isinstance(v, (bytes, bytearray)) and not (PYTHON2 and isinstance(v, str)):
        return "b" + base64.b16encode(bytes(v)).decode().lower()
    if PYTHON2 and isinstance(v, str):
        return json.dumps(v.decode("latin-1"), ensure_ascii=False)
    if isinstance(v, type("")):
        return json.dumps(v, ensure_ascii=False)
    if isinstance(v, tuple):
        return "(" + " ".join(map(show, v)) + ")"
    if isinstance(v, (list, set, frozenset)):
        return "[" + " ".join(map(show, v)) + "]"
    if isinstance(v, dict):
        return "{" + " ".join(show(k) + ":" + show(x) for k, x in v.items()) + "}"
    if v is New:
        return "__main__.New"
    if isinstance(v, Made):
        return '__main__.New(1 "two"){"x":3}[4]{"five":5}'
    if isinstance(v, Slots):
        return "__main__.Slots()" + show((None, {"x": v.x}))
    if isinstance(v, (New, Old)):
        return "__main__.%s()" % type(v).__name__.replace("instance", "Old") + show(v.__dict__)
    return str(v)  # an integer


def protocols(v):
    for p in range(pickle.HIGHEST_PROTOCOL + 1):
        if isinstance(v, Slots) and p < 2:
            continue
        yield "protocol %d" % p, pickle.dumps(v, protocol=p)
    if joblib is not None:
        with tempfile.TemporaryDirectory() as folder:
            for compress in (0, "zlib", "gzip", "bz2"):
                file = os.path.join(folder, "value")
                joblib.dump(v, file, compress=compress)
                with open(file, "rb") as f:
                    yield "joblib %s" % compress, f.read()


cases = [{"name": name, "shows": show(v), "files": {k: b.decode("latin-1") for k, b in protocols(v)}} for name, v in values()]
name = "%d.%d" % sys.version_info[:2]
with open("values-%s.json.gz" % name, "wb") as file:
    z = gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0)
    z.write(json.dumps(cases).encode("utf-8"))
    z.close()
print(name, np and np.__version__, len(cases))
