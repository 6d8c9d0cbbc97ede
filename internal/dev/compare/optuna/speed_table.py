"""Prints what the speed commands measured, read from standard input, as Markdown."""

import json
import sys

blocks = {}
for line in sys.stdin:
    b = json.loads(line)
    blocks.setdefault(b["work"], {}).setdefault(b["peer"], {})[b["trials"]] = b["ms"]

tpe = blocks["sphere10"]
print("TPE on ten floats, in memory: milliseconds per trial, and the multiple of attune's.\n")
print("| trials | " + " | ".join(tpe) + " |\n|--:|" + "--:|" * len(tpe))
before = 0
for n in tpe["attune"]:
    cells = []
    for peer in tpe.values():
        cells.append(f"{peer[n]:.2f} ({peer[n] / tpe['attune'][n]:.1f}×)" if n in peer else "")
    print(f"| {before} to {n} | " + " | ".join(cells) + " |")
    before = n

print("\nSQLite, five parameters and five reports: trials per second, in blocks.\n")
print("| | after trials | trials/s |\n|---|--:|--:|")
for work in ["sqlite", "sqlite-sync"]:
    for peer, times in blocks.get(work, {}).items():
        before = 0
        for n, ms in times.items():
            name = peer + (", Sync" if work == "sqlite-sync" else "")
            print(f"| {name} | {before} to {n} | {1000 / ms:.0f} |")
            before = n
