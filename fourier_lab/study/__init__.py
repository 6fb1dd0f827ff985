"""Records of many runs in, the answers to the study's questions out: comparisons, verdicts, whole figures."""
