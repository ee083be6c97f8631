# Text 003, the attributes of a Change.
def has_C_files(change): for name in change.files: if name.endswith(".c"): return True return False
