"""OpenAI chat completions. Source: the public OpenAPI description and the types of the official SDK."""
