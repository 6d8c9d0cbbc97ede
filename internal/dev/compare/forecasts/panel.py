"""Prints a panel of synthetic monthly series in CSV: of 50 to 130 values, with a trend, a season and noise.

    panel.py SERIES
"""
import math
import random
import sys

random.seed(1)
print("id,date,value")
for i in range(int(sys.argv[1])):
    length = random.randint(50, 130)
    level, amplitude, trend = 10 ** random.uniform(1, 4), random.uniform(0, 0.4), random.uniform(-0.005, 0.01)
    phase, noise = random.uniform(0, 6.28), random.uniform(0.02, 0.15)
    for t in range(length):
        year, month = divmod(1990 * 12 - length + t, 12)
        season = 1 + amplitude * math.sin(2 * math.pi * month / 12 + phase)
        print(f"s{i},{year}-{month + 1:02d}-01,{level * math.exp(trend * t) * season * math.exp(random.gauss(0, noise)):.2f}")
