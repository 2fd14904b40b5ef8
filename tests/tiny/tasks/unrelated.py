NOBODY = "imports this"
