"""What all shells share on the way to a browser or client: errors, security headers, CSV. No domain."""
