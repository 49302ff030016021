"""What Trivet adds to the project: channels, and a table of mapped rows."""
