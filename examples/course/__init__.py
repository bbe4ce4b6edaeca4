"""A homework with its grader: three tasks, three wrong submissions and their reports.

`homework.py` holds the tasks, `grade_all.py` grades all submissions, and `test_homework.py` does the same for one of them with
pytest:

    pytest -p autograd_mini.testing.grading.pytest_plugin --submission examples/course/submissions/forgotten_sum.py \\
        --grade-report report.json examples/course/test_homework.py
"""
