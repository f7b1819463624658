"""The growth of costs: with rows, with lists, with runs in the journal, and with calls that wait at once."""
