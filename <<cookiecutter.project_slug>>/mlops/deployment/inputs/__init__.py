"""Inputs that cover the contract: drawn, mended, counted, and as strategies of hypothesis."""
