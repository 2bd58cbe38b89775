"""The composition root: settings to parts to processes. The only room that knows all others."""
