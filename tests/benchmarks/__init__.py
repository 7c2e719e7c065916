"""The benchmarks: that they run, and that what they stand on is right."""
