"""The test suites of the SDKs, as a mirror: a server with the profile that they expect."""
