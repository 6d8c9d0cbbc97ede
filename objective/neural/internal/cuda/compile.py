"""Compiles kernels.cu to kernels.ptx, for compute capability 7.5 and later.

Needs the library of NVRTC, and no GPU:

    pip install nvidia-cuda-nvrtc-cu11==11.7.99
    python compile.py

An old NVRTC is the better one: a driver takes PTX of its own release and of those before.
"""

import ctypes
import glob
import hashlib
import os
import site
import sys

here = os.path.dirname(os.path.abspath(__file__))
found = [f for p in site.getsitepackages() for f in glob.glob(p + "/nvidia/cuda_nvrtc/lib/libnvrtc.so.*")]
if not found:
    sys.exit("no libnvrtc.so among the packages of this Python: pip install nvidia-cuda-nvrtc-cu11==11.7.99")
nvrtc = ctypes.CDLL(found[0])
source = open(os.path.join(here, "kernels.cu"), "rb").read()
prelude = b"#define INFINITY __int_as_float(0x7f800000)\n"


def check(code):
    if code != 0:
        raise RuntimeError("nvrtc: error %d" % code)


def text(size, get):
    n = ctypes.c_size_t()
    check(size(program, ctypes.byref(n)))
    buffer = ctypes.create_string_buffer(n.value)
    check(get(program, buffer))
    return buffer.value.decode()


program = ctypes.c_void_p()
check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), prelude + b"#line 1\n" + source, b"kernels.cu", 0, None, None))
options = [b"--gpu-architecture=compute_75"]
code = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
log = text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog)
if log:
    print(log, file=sys.stderr)
check(code)
ptx = text(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX)
with open(os.path.join(here, "kernels.ptx"), "w") as out:
    out.write("// Made by compile.py of kernels.cu, whose SHA-256 is\n// %s\n" % hashlib.sha256(source).hexdigest())
    out.write(ptx)
