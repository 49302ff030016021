"""How the admin writes instants: as the audit trail and the command line do, zone included."""
