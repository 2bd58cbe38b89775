"""The paid call. Read `spend.py` first: hold → forward → settle."""
