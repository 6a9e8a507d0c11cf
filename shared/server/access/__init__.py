"""Who may do what: TLS on every port, tokens with scopes, and what a client shows of itself.

    files --ServerTls--> every port's certificate, read again when it changes
    file  --Tokens--> Access --caller--> Caller.require(action, camera) --> Unauthenticated, NotAllowed

Law: what is not granted is refused; a refusal is counted and logged, and never holds a token.
"""
