"""The promises of the house, each as a sentence that can be false."""
