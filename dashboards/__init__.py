"""What people see: Streamlit pages over the warehouse, read only."""
