"""Holds the write lock of a file until it is told to let go: lock.py FILE"""
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
