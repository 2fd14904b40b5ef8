"""Computing stages on other machines, called nodes."""
