"""The contract: what Veche's services tell each other and the auditor, one frozen pydantic model a fact.

A published event is the stored event is what the auditor reads. One module per publishing service; `catalogue` is the closed
list of all of them, `envelope` what stands around a fact, `personal` how a person's data stands in one, `ids` how streams are
named.
"""
