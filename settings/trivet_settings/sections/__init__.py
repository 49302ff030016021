"""The settings by subject; `trivet_settings.model.Settings` is all of them."""
