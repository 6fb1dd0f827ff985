"""Enter encoders and models of other libraries, leave objects that these libraries open, train, save and score."""
