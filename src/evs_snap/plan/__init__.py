"""What is to be done to each disk, and why: data in, plan out.

Nothing here sends a request, waits, or reads the clock.
"""
