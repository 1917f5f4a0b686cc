"""A trained VaDE for other programs: the SavedModel, and what it answers.

Knows the model; knows no data set, run folder or training.
"""
