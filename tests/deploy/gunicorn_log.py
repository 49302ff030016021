"""What Gunicorn writes into its log."""

BOOTING = "Booting worker with pid: "
