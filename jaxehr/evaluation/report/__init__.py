"""What is read: report.json, report.html, pictures, comparisons of reports."""
