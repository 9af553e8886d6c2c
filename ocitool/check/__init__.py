"""What is wrong with what a name holds, as findings, and plans that mend it."""
