"""Customers' pages: signing in, their account, their workspaces. Every form works without JavaScript, except where a
wallet or a passkey has to sign."""
