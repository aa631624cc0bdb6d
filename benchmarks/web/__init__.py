"""What an upload over the web costs the process that serves it."""
