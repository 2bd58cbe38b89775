"""From a model to the routes that may serve a call, with a reason for every one that may not."""
