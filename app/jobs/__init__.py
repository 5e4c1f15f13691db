"""What RQ calls: ids in, nothing out, safe to run twice."""
