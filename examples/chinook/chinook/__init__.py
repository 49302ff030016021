"""The application of a shop for music as it was before Trivet, of which it knows nothing."""
