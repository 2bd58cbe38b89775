"""An upstream for demos and tests: every text dialect and workload over real HTTP, with faults on request.

It is the independent oracle of the gateway's tests, and so imports nothing of `farebox`.
README.md lists every directive.
"""
