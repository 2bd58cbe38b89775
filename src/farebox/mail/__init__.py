"""Letters to people: by SMTP, or in a demo into a mailbox that everybody can read."""
