TEXT = "it works"
