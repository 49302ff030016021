"""One change for one Idempotency-Key: the key, what was asked and the answer are a row in the
change's own transaction.

The row is the first statement of the transaction and is completed by its last one, so change and
answer are committed together or not at all. `tables` has the row, `claiming` the statements,
`turns` the queue of a process, `claim` the course of one request, `expiry` the removal.

Nothing here knows of HTTP frameworks: the API asks for a claim once its policies agree
(`trivet_api.idempotency`).
"""
