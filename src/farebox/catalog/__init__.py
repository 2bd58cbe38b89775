"""What is sold: providers, models, routes, and the checklist that turns usage into a charge."""
