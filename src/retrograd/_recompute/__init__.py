"""How `utils.checkpoint` computes again during backward what was not kept."""
