"""Benchmarks: `python -m bench [NAME …]`. Ratios against a floor of the same run, printed, never asserted.

Linux only: processor time and memory are read from /proc. docs/reference/benchmarks.md says what each one measures.
"""
