"""What a service request is and what may happen to it: state, rules and refusals, with no database and no web.

A request is submitted, registered under a number, proposed as done, and closed once and for good. Its outcome (`done`,
`withdrawn`, ...) is separate from its state, and how it ended (`confirmed` or `deemed_accepted`) is never mixed.
"""
