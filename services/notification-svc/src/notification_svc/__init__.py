"""The agents' queue, the messages people are sent, and the calls to executors' programs.

Decides which work items are open, who works on one and until when, that a person was told, and which programs of organisations
are called. Listens to request-svc (what a message is about) and dispatch-svc (what needs somebody, what settles it, and whose a
case is). Says WorkItem*, Message*, SubscriptionChanged and Webhook*.
"""
