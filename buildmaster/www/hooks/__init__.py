"""What hosting services post, made into changes: a file for each dialect of ``/change_hook/DIALECT``."""
