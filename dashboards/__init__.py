"""Streamlit pages over the warehouse, read only."""
