"""What a finished run is worth: scores, figures, the page, the tables.

Knows runs, models and what these say of rows (`training.posterior`); knows no phase of training and no flag.
"""
