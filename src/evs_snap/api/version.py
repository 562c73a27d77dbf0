"""This program's version, as it is told to services and to people."""

__version__ = "0.2.0"
