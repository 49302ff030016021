"""Classes as other projects write them: on a base without names for constraints, with plain types
and with types of their own."""
