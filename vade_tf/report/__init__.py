"""What a finished run is worth: scores, figures, the page, the tables.

Knows runs and models; knows no training, and no training code reads it.
"""
