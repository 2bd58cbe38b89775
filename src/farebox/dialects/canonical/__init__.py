"""The one form that every dialect is read into and written from when the two sides of a call speak differently.

Text dialects meet here and nowhere else: there is no translator between two of them. What a dialect says that has no
place here stays with its origin (`Opaque`, `Conversation.unknown`) and is named as dropped by every other dialect.
"""
