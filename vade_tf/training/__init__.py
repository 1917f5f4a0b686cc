"""How a model is trained: settings, the loop of epochs, VaDE's recipe, its start and its health.

Knows rows, tensors and a `Store`; knows no file, no data set name, no label and no flag.
"""
