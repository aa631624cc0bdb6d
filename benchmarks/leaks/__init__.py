"""What is left behind when an upload ends: aios3 and other clients, on four stores, by twelve ways of ending."""
