"""Trains LightGBM on the data of BenchmarkAgainstLightGBM.

Arguments: file rows test_rows features trees leaves threads. The file holds the
training columns, the training labels, the test columns and the test labels as
float64. Prints the CPU seconds of making the data set and of training, and the
RMSE of the test rows.
"""
import os
import resource
import sys

os.environ["OMP_WAIT_POLICY"] = "passive"
import lightgbm
import numpy

path, rows, test_rows, features, trees, leaves, threads = sys.argv[1], *map(int, sys.argv[2:])
values = numpy.fromfile(path)
cut = rows * (features + 1)
train, test = values[:cut].reshape(features + 1, rows), values[cut:].reshape(features + 1, test_rows)
x = numpy.ascontiguousarray(train[:-1].T)


def cpu():
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


params = dict(objective="regression", num_leaves=leaves, learning_rate=0.1, num_threads=threads, verbose=-1)
start = cpu()
data = lightgbm.Dataset(x, train[-1], params=params).construct()
made = cpu()
model = lightgbm.train(params, data, num_boost_round=trees)
done = cpu()
rmse = numpy.sqrt(numpy.mean((model.predict(test[:-1].T) - test[-1]) ** 2))
print(made - start, done - made, rmse)
