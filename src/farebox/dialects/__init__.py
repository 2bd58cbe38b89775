"""Wire formats of model APIs: bytes or parsed JSON in, frozen values out. No I/O, never async."""
