"""The rules of dispatch, pure: `rulebook` says who is responsible and for how long, `case` what happens to one request.

`refusal` names every reason for which something is refused.
"""
