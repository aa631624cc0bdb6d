"""Memory, rate and processor time of a process that serves uploads from the web."""
