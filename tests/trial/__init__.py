"""Test cases for trial, which runs the global reactor itself: each module runs in a process of its own."""
