"""From settings to a folder: configuration, the run folder, and studies of several runs.

Knows files, data sets by name and labels for scoring; knows no flag of the command line, no figure and no page.
"""
