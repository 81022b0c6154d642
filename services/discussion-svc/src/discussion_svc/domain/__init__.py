"""The rules of public discussions, pure: events in, events out, and `now` is given.

`procedure` says under which law a discussion is held, `discussion` what happens to it, `submission` what people say in it,
`protocol` what is put on record of them; `refusal` names every reason for which something is refused.
"""
