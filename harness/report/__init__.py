"""What people read: a page of tables for the suite's folder, tables for the terminal. Drawn without torch."""
