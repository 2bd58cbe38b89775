"""OpenAI's API for what is not conversation: embeddings, moderations, pictures, speech and transcripts. Pure.

Requests pass as they came but for the model's id, answers untouched; what is read here is what the hold and the bill
need.
"""
