"""The shop for music, with an admin and an API: what it is given by Trivet, and nothing else."""
