"""Is all well? `doctor` tries each step to a snapshot; `check` judges how fresh they are.

Nothing here changes anything in the cloud.
"""
