"""The rows of video jobs: what a job is, the states it goes through, and the one place that reads and writes them."""
