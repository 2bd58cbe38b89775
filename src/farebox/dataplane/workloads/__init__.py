"""Paid calls that are no conversation: embeddings, moderations, pictures, speech, transcripts.

Read `serve.py` first. What each of them asks for, holds for and is charged for is in a module of its own.
"""
