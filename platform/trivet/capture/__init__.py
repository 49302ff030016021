"""What a flush wrote, and what would slip past: old values, captured tables, SQL text."""
