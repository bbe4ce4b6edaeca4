"""The lecture's exercises 20 to 31: each script prints its results and saves its figures."""
