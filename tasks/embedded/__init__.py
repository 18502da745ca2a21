"""The four tasks made by the program: their grammars, generators and small models. No foreign data."""
