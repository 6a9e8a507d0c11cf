"""What cameras and servers give by HTTP: pictures, one for each GET; streams; recordings.

    URL --pictures.py: what is it?--> GET after GET | live video | a recording
            |-- client.py    one kept connection, redirects, bounds of time and size
            |-- login.py     basic and digest

Law: what a URL is, its server says. Its suffix decides nothing.
"""
