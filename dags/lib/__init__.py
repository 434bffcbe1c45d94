"""What every DAG file uses: its specification, its operators, its alerts."""
