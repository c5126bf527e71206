"""The command line: arguments in, text and exit codes out. Everything it does is a call into the library below."""
