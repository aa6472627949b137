"""What is particular to the SQL adapters."""
