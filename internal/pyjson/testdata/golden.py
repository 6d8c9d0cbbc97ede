"""Writes golden.tsv: how Python's json module writes floats, strings and documents.

Run with CPython 3.8 or newer, in this folder: python3 golden.py > golden.tsv
A line is a kind, the input in hexadecimal (the bits of a float, the UTF-8 of a
text) and what json.dumps makes of it, separated by tabs.
"""

import json
import random
import struct
import sys

random.seed(1)


def bits(x):
    return struct.pack(">d", x).hex()


floats = [0.0, -0.0, 5e-324, 2.2250738585072009e-308, 2.2250738585072014e-308, sys.float_info.max]
floats += [float("nan"), float("inf"), float("-inf"), 2.0**53, 2.0**53 + 2, 1e21, 1e22, 123456789012345680.0]
for e in range(-325, 309):
    floats.append(float(f"1e{e}"))
for e in list(range(-7, 0)) + list(range(13, 20)):  # around the switch to an exponent
    for digits in ("9.999999999999999", "9.99", "1.5", "1.0000000000000002", "-1.2345"):
        floats.append(float(f"{digits}e{e}"))
for _ in range(1200):
    floats.append(struct.unpack(">d", random.randbytes(8))[0])
for _ in range(200):  # subnormal
    floats.append(struct.unpack(">d", (random.getrandbits(random.randint(1, 52))).to_bytes(8, "big"))[0])
for _ in range(400):
    floats.append(round(random.uniform(-1000, 1000), random.randint(0, 6)))
for x in floats:
    print("float", bits(x), json.dumps(x), sep="\t")

strings = ["".join(chr(c) for c in range(lo, lo + 16)) for lo in range(0, 0x300, 16)]
strings += ["", "a\"b\\c/d", "\u2028\u2029\ufeff\ufffd", "日本語", "<&>'", "😀", "\U0010ffff\U00010000\uffff\ue000\ud7ff"]
for _ in range(200):
    points = [random.choice([random.randrange(0x80), random.randrange(0xD800), random.randrange(0xE000, 0x110000)]) for _ in range(8)]
    strings.append("".join(map(chr, points)))
for s in strings:
    print("string", s.encode().hex(), json.dumps(s), sep="\t")

documents = [
    '[ ]', '{ }', '[1,1.0,1e0,1E+2,-0,-0.0,1e400,-1e400,1e-400]', '[NaN,Infinity,-Infinity]', ' \t\n\r null ',
    '{"b":1,"a":{"c":[true,false,null,""]}}', '"\\u00e9\\ud83d\\ude00\\/"', '12345678901234567890123', '[[[[]]],[{}]]',
    '{"\\u0000":"\\u007f"}', '0.1e1', '100000000000000000000.0', '[0.30000000000000004, 1e16, 1e15, 0.0001, 0.00001]',
]


def anything(depth):
    kind = random.randrange(7 if depth < 3 else 5)
    if kind == 0:
        return random.choice([None, True, False])
    if kind == 1:
        return random.randint(-(10 ** random.randint(0, 25)), 10 ** random.randint(0, 25))
    if kind == 2:
        return random.choice(floats)
    if kind in (3, 4):
        return random.choice(strings)
    if kind == 5:
        return [anything(depth + 1) for _ in range(random.randrange(4))]
    return {random.choice(strings): anything(depth + 1) for _ in range(random.randrange(4))}


for _ in range(150):
    documents.append(json.dumps(anything(0), ensure_ascii=False, indent=random.choice([None, 1]), separators=random.choice([None, (",", ":")])))
for d in documents:
    print("document", d.encode().hex(), json.dumps(json.loads(d)), sep="\t")
