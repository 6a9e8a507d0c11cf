"""Access: which caller may do what, by tokens with scopes.

    file --Tokens--> Access --caller--> Caller.require(action, camera) --> Unauthenticated, NotAllowed

Law: what is not granted is refused. A refusal is counted and logged, and never holds a token.
"""
