"""Figures for papers, by matplotlib, and the tables that go with them."""
