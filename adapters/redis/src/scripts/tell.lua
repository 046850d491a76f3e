-- returns: 1, always
tell()
return 1
