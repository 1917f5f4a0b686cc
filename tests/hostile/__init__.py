"""Hostile input: files, flags, run folders and calls as a person, a full disk or an attacker leaves them.

Every case is made by code when it runs. It must end in one line that names what is wrong (exit code 2, or a ValueError
of the API), or in a correct result; never in a traceback, a hang, the end of the process, or a file left where none
belongs. `inputs` and `flags` are given to the commands, `folders` are altered run folders, `calls` are of the API.
"""
