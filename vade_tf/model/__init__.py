"""The model itself: bound, prior, likelihoods, networks, optimizer, and VaDE that ties them together.

Knows tensors; knows no data set, file, setting of a training or label.
"""
