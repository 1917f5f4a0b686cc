"""The command `vade-tf`: flags, progress and tables. It knows no algorithm, and the library knows nothing of it."""
