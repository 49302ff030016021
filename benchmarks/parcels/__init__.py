"""The feature that is measured: parcels, as a feature of Trivet has them."""
