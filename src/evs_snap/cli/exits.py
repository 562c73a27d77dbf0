"""Exit codes that no error carries."""

UNKNOWN = 3
"""Of `check`: it could not be found out (Monitoring Plugins guidelines)."""

INTERRUPTED = 130
TERMINATED = 143
