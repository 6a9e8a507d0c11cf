"""Folders of pictures: one that is played, and one that a camera fills.

    FOLDER        --played.py-->  its pictures in natural order, `fps` a second, with `loop` again and again
    watch:FOLDER  --watched.py--> each picture that comes, once; memory.py knows over restarts what was given

pictures.py is what both share: names, order, and whether a file is whole.
"""
