"""The lecture's exercises 20 to 31: each file is a program that prints its results and saves its figures."""
